// Log-in form, for a user and password or a token.

import { setText } from './dom.js';
import { post } from './requests.js';

const WRONG = { 401: 'Wrong user, password or token.', 429: 'Too many attempts; wait a minute.' };

export class Login {
  #dialog = document.getElementById('login');
  #form = this.#dialog.querySelector('form');
  #error = document.getElementById('login-error');
  #button = this.#form.querySelector('button');
  #byPassword = document.getElementById('by-password');
  #byToken = document.getElementById('by-token');
  #onlogin;
  #onlogout;

  // onlogin is called after a log-in; onlogout is awaited before a log-out.
  constructor(onlogin, onlogout) {
    this.#onlogin = onlogin;
    this.#onlogout = onlogout;
    this.#dialog.addEventListener('cancel', (event) => event.preventDefault());
    this.#form.addEventListener('submit', (event) => this.#submit(event));
    const logout = document.getElementById('logout');
    logout.addEventListener('click', () => this.#logOut());
  }

  // True if the browser has a session or needs none; hides the log-in methods that are not available.
  async isIn() {
    const ways = await fetch('login', { cache: 'no-store' }).then((answer) => (answer.ok ? answer.json() : {}));
    document.getElementById('logout').hidden = !ways.user;
    if (!ways.required) return true;
    this.#byPassword.hidden = !ways.users;
    this.#byToken.hidden = !ways.token;
    this.#byToken.open = !ways.users;
    return Boolean(ways.user);
  }

  ask() {
    if (this.#dialog.open) return;
    this.#dialog.showModal();
    this.#form.elements[this.#byPassword.hidden ? 'token' : 'user'].focus();
  }

  async #submit(event) {
    event.preventDefault();
    const { user, password, token } = this.#form.elements;
    const body = token.value ? { token: token.value } : { user: user.value, password: password.value };
    setText(this.#error, '');
    this.#button.disabled = true;
    try {
      await post('login', body);
      this.#form.reset();
      this.#dialog.close();
      document.getElementById('logout').hidden = false;
      this.#onlogin();
    } catch (error) {
      setText(this.#error, WRONG[error.status] ?? error.message);
      (token.value ? token : password).select();
    } finally {
      this.#button.disabled = false;
    }
  }

  async #logOut() {
    await this.#onlogout();
    await post('logout').catch(() => {});
    location.reload();
  }
}
