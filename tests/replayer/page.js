// Runs in Chromium, beside rrweb's umd build: plays a recording event by event and tells what
// changed in the replayer's DOM after each.
//
// A node's state is [parent id, in a shadow root, node type, tag, attributes, text, child ids,
// shadow child ids]; compare.py makes the same of our mirror. Nodes without an id of their own
// (rrweb's injected style sheets) are left out.

/* global rrweb */

function quietReplayer(events) {
  const replayer = new rrweb.Replayer(events, {
    showWarning: true,
    mouseTail: false,
    triggerFocus: false,
    logger: { log() {}, warn: (...args) => window.warnings.push(args.slice(1, 2).map(String).join(" ")) },
  });
  // Switched off, since a replayer shows it and the recorded document did not have it: the class
  // ":hover" on what the mouse is over, style sheets rewritten so that it has an effect, and what
  // visitors typed (for check boxes, it ends up in the attribute "value").
  replayer.hoverElements = () => {};
  replayer.applyInput = () => {};
  replayer.cache = { stylesWithHoverClass: { get: (css) => css, set() {} } };
  return replayer;
}

// Pictures that the recorder kept as data are shown in place of their address; here they are not.
function dropPictures(value) {
  const stack = [value];
  while (stack.length) {
    const inner = stack.pop();
    if (inner === null || typeof inner !== "object") continue;
    delete inner.rr_dataURL;
    for (const member of Object.values(inner)) stack.push(member);
  }
}

function isKnown(mirror, node) {
  const meta = mirror.getMeta(node);
  return meta !== null && mirror.getNode(meta.id) === node;
}

function attributesOf(node) {
  const pairs = [];
  for (const { name: shown, value } of node.attributes) {
    // Handlers are renamed, so that nothing runs, but not when they are changed later.
    const name = shown.replace(/^_(?=onload$|onclick$|onmouse)/, "");
    if (name !== shown && node.hasAttribute(name)) continue;
    if (name.startsWith("rr_")) continue;
    let own = value;
    if (node.nodeName === "HTML" && name === "class") {
      // The replayer marks the page of a player that does not run, and rewrites the spaces.
      const names = value.split(/\s+/).filter((token) => token && token !== "rrweb-paused");
      own = names.join(" ");
      if (own === "") continue;
    }
    pairs.push([name, own]);
  }
  return pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
}

function isMadeUpText(mirror, node) {
  return node.nodeType === Node.TEXT_NODE && !mirror.getMeta(node);
}

function textOf(mirror, node) {
  if (node.nodeType === Node.ELEMENT_NODE) {
    // The text of a style sheet or textarea whose text the recording has as an attribute.
    const own = Array.from(node.childNodes).filter((child) => isMadeUpText(mirror, child));
    return own.length ? own.map((child) => child.data).join("") : null;
  }
  return "data" in node ? node.data : null;
}

function walk(replayer, observer) {
  const mirror = replayer.getMirror();
  const states = new Map();
  const root = replayer.iframe.contentDocument;
  if (!root || !isKnown(mirror, root)) return states;
  const options = { subtree: true, childList: true, attributes: true, characterData: true };
  const stack = [[root, null, false]];
  while (stack.length) {
    const [node, parentId, isShadow] = stack.pop();
    const id = mirror.getMeta(node).id;
    const kids = Array.from(node.childNodes).filter((child) => isKnown(mirror, child));
    if (node.nodeName === "HTML") {
      // The replayer builds the body after all else in a page; later additions may follow it.
      kids.sort((a, b) => (a.nodeName === "BODY") - (b.nodeName === "BODY"));
    }
    const shadowKids = [];
    if (node.nodeType === Node.DOCUMENT_NODE) observer.observe(node, options);
    if (node.shadowRoot) {
      observer.observe(node.shadowRoot, options);
      for (const child of node.shadowRoot.childNodes) {
        if (isKnown(mirror, child)) shadowKids.push(child);
      }
    }
    if (node.nodeName === "IFRAME" && node.contentDocument && isKnown(mirror, node.contentDocument)) {
      kids.push(node.contentDocument);
    }
    const isElement = node.nodeType === Node.ELEMENT_NODE;
    states.set(
      id,
      JSON.stringify([
        parentId,
        isShadow,
        node.nodeType,
        isElement ? node.nodeName.toLowerCase() : "",
        isElement ? attributesOf(node) : [],
        textOf(mirror, node),
        kids.map((child) => mirror.getId(child)),
        shadowKids.map((child) => mirror.getId(child)),
      ]),
    );
    for (const child of kids) stack.push([child, id, false]);
    for (const child of shadowKids) stack.push([child, id, true]);
  }
  return states;
}

// The replayer gives up placing added nodes after 500 ms. Counted by this clock these are 10,000
// rounds, so that it does the same on every machine.
function slowClock() {
  let now = 1e12;
  Date.now = () => (now += 0.05);
}

// Plays all events in one task, so that nothing that the pages would load can come between.
// Gives, for each event that changed anything, its place in the list and the changed states.
window.playAll = (json) => {
  window.warnings = [];
  const events = JSON.parse(json);
  events.forEach((event, index) => (event.placeInList = index));
  dropPictures(events);
  slowClock();
  const replayer = quietReplayer(events);
  const observer = new MutationObserver(() => {});
  let known = new Map();
  const changes = [];
  const sorted = replayer.service.state.context.events;
  for (const event of sorted) {
    replayer.getCastFn(event, false)();
    // The observer does not see a frame's new document; those come with mutations.
    const isChange = event.type === 2 || (event.type === 3 && event.data.source === 0);
    if (!isChange && observer.takeRecords().length === 0) continue;
    const states = walk(replayer, observer);
    const changed = {};
    const gone = [];
    for (const [id, state] of states) if (known.get(id) !== state) changed[id] = JSON.parse(state);
    for (const id of known.keys()) if (!states.has(id)) gone.push(id);
    observer.takeRecords();
    known = states;
    if (gone.length || Object.keys(changed).length) {
      changes.push({ index: event.placeInList, changed, gone });
    }
  }
  const order = sorted.map((event) => event.placeInList);
  const warnings = window.warnings;
  replayer.destroy();
  return JSON.stringify({ order, changes, warnings });
};

function declarationsOf(text, element) {
  element.style.cssText = text;
  element.style.cssText = element.style.cssText; // 0ms of a longhand is 0s in its shorthand
  return Array.from(element.style)
    .map((name) => `${name}:${element.style.getPropertyValue(name)}!${element.style.getPropertyPriority(name)}`)
    .sort()
    .join(";");
}

// Whether each pair of style texts declares the same, shorthands spelt out, by Chromium's parser.
window.sameStyles = (pairs) => {
  const element = document.createElement("div");
  return pairs.map(([a, b]) => declarationsOf(a, element) === declarationsOf(b, element));
};
