"use strict";
// An element for both pages. What stands in it as text is text, whoever wrote it.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.map((c) => (c instanceof Node ? c : String(c))));
  return element;
}
