// Live picture of a camera with heatmap and boxes, in a tile or, with the main stream (`main`), in the large view.

import { boxOverlay, drawBoxes, element, setText } from './dom.js';
import { Player } from './player.js';
import { isSending, stateDetail, stateWords } from './words.js';

export class Screen {
  #picture = element('div', { class: 'picture' });
  #boxes = boxOverlay();
  #stateLine = element('strong');
  #detailLine = element('span');
  #veil = element('p', { class: 'veil' }, this.#stateLine, this.#detailLine);
  #base;
  #heat;
  #wanted = false;

  constructor(name, main) {
    const sized = (aspect) => this.#setAspect(aspect);
    this.#base = new Player(this.#picture, name, 'picture', `Live picture of ${name}`, sized, main);
    this.#heat = new Player(this.#picture, name, 'heatmap', '');
    this.#picture.append(this.#boxes);
    this.node = element('div', { class: 'screen' }, this.#picture, this.#veil);
  }

  // Plays the camera's streams if `wanted` and the camera sends pictures; else shows its state.
  update(camera, alert, wanted, heat) {
    this.#wanted = wanted;
    const plays = wanted && isSending(camera);
    this.#set(this.#base, plays);
    this.#set(this.#heat, plays && heat && camera.state === 'online');
    this.#veil.hidden = isSending(camera);
    setText(this.#stateLine, isSending(camera) ? '' : stateWords(camera));
    setText(this.#detailLine, isSending(camera) ? '' : stateDetail(camera));
    if (camera.size) this.#setAspect(camera.size[0] / camera.size[1]);
    drawBoxes(this.#boxes, alert?.boxes_now ?? [], alert?.size ?? camera.size);
  }

  stop() {
    this.#set(this.#base, false);
    this.#set(this.#heat, false);
  }

  #set(player, plays) {
    if (plays) player.start();
    else player.stop();
  }

  #setAspect(aspect) {
    this.#picture.style.setProperty('--aspect', aspect.toFixed(4));
  }
}
