// The viewer's settings, stored in the browser: heatmap and its opacity.

const KEY = 'streammon';

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // storage is disabled, or its content is invalid
  }
}

class Settings extends EventTarget {
  #values = { heat: false, opacity: 70, ...stored() };

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    this.#values[name] = value;
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // the setting lasts as long as the page
    }
    this.dispatchEvent(new Event('change'));
  }
}

export const settings = new Settings();
