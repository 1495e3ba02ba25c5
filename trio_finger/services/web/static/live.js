// What a page does besides being read: it searches and sorts as one types and clicks, and it
// follows what changes. Every page is whole without this file.
//
// From top to bottom: words and numbers; `News`, for those who listen to a page; `Follower`,
// the connection on which changes come; `List` and `Person`, the two pages that show them;
// and at the end what is started. Whatever people wrote is put in as text, never as markup.

const { base, since, user } = document.body.dataset;

const SECOND = 1000; // milliseconds
const MINUTE = 60 * SECOND;

// Words and numbers

/** Names that differ in nothing else than their case are one user. */
function fold(text) {
  return text.normalize("NFC").toLowerCase();
}

/** An age in the largest whole unit: 5m, 3h, 12d. */
function formatAge(moment) {
  const seconds = (Date.now() - Date.parse(moment)) / SECOND;
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)}${unit}`;
  }
  return "now";
}

/** A moment as a page without scripts has it, too: 2026-11-21 14:00 UTC. */
function formatMoment(moment) {
  return `${moment.slice(0, 16).replace("T", " ")} UTC`;
}

/** Put what somebody is up to into an element. */
function putStatus(element, status) {
  element.textContent = status || "No status";
  element.classList.toggle("none", !status);
}

function makeTime(moment) {
  const time = document.createElement("time");
  time.dateTime = moment;
  time.textContent = formatMoment(moment);
  return time;
}

/** Let an element stand out for some seconds, from now on even if it did already. */
function highlight(element) {
  if (element.classList.contains("changed")) {
    for (const animation of element.getAnimations()) animation.currentTime = 0;
  }
  element.classList.add("changed");
  element.onanimationend = () => element.classList.remove("changed");
}

/** The same page as the server makes it now. */
async function fetchPage(address, signal) {
  // Programs that say nothing get plain text.
  const answer = await fetch(address, { headers: { Accept: "text/html" }, signal });
  if (!answer.ok && answer.status !== 404) throw new Error(`${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Tells those who listen to the page what is new: one sentence, and seldom. */
class News {
  #place = document.getElementById("news");
  #fresh = new Map(); // what to say of whom
  #told = 0; // when something was said
  #timer = null;

  add(name, words) {
    this.#fresh.set(name, words);
    const wait = Math.max(SECOND / 2, this.#told + 5 * SECOND - Date.now());
    this.#timer ??= setTimeout(() => this.#tell(), wait);
  }

  say(words) {
    this.#place.textContent = words;
  }

  #tell() {
    const count = this.#fresh.size;
    this.say(count === 1 ? [...this.#fresh.values()][0] : `${count} users changed`);
    this.#fresh.clear();
    this.#told = Date.now();
    this.#timer = null;
  }
}

/**
 * The connection on which changes come, for as long as somebody may be looking.
 *
 * A browser makes six connections to a host and no more, for all its pages. So a page that
 * nobody looks at leaves its own to others after a while; when somebody does, it asks for
 * what it has missed.
 */
class Follower {
  #page; // has status(change), gone(change) and miss()
  #place = document.querySelector(".live");
  #last = since; // the number of the last change that this page shows
  #source = null;
  #retry = null; // when the browser has given up
  #failures = 0;
  #sleep = null; // when nobody has looked for long

  constructor(page) {
    this.#page = page;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#sleep);
      if (document.hidden) this.#sleep = setTimeout(() => this.close(), 20 * SECOND);
      else this.open();
    });
    // A page that one leaves may be kept, and shown again when one comes back.
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", () => this.open());
    this.open();
  }

  open() {
    if (this.#source || document.hidden) return;
    clearTimeout(this.#retry);
    const query = new URLSearchParams();
    if (user) query.set("user", user);
    if (this.#last) query.set("since", this.#last);
    const source = new EventSource(`${base}/live.sse?${query}`.replace(/\?$/, ""));
    source.addEventListener("hello", (event) => this.#greet(JSON.parse(event.data)));
    source.addEventListener("status", (event) => this.#pass(JSON.parse(event.data)));
    source.addEventListener("gone", (event) => this.#pass(JSON.parse(event.data)));
    source.addEventListener("error", () => this.#fail());
    this.#source = source;
  }

  close() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#retry);
    this.#show(false, "Paused");
  }

  #greet(hello) {
    this.#failures = 0;
    this.#last = hello.id;
    this.#show(true, "Live");
    if (hello.missed) this.#page.miss();
  }

  #pass(change) {
    this.#last = change.id;
    if (change.type === "gone") this.#page.gone(change);
    else this.#page.status(change);
  }

  /** The browser tries again by itself, unless it was answered and did not like the answer. */
  #fail() {
    this.#show(false, "Not live");
    if (this.#source?.readyState !== EventSource.CLOSED) return;
    this.#source = null;
    const wait = Math.min(5 * SECOND * 2 ** this.#failures++, MINUTE);
    this.#retry = setTimeout(() => this.open(), wait * (0.5 + Math.random()));
  }

  #show(on, words) {
    this.#place.hidden = false;
    this.#place.classList.toggle("on", on);
    this.#place.textContent = words;
  }
}

/** The list of users. */
class List {
  #news;
  #table = document.getElementById("users");
  #count = document.getElementById("count");
  #search = document.getElementById("search");
  #template = document.getElementById("row").content.firstElementChild;
  #headers = {}; // by what they sort
  #sort = "name";
  #word = ""; // that is looked for in the rows that are here
  #partial; // whether the server has more users than there are rows
  #users = new Map(); // by folded name
  #order = []; // the same, as they stand in the table
  #matching = new Set(); // those of them that are to be seen
  #loading = null;
  #waiting = null; // changes that come while a list is loaded
  #timer = null;

  constructor(news) {
    this.#news = news;
    const asked = new URLSearchParams(location.search);
    this.#partial = asked.has("q") || this.#more !== null;
    this.#sort = asked.get("sort") === "change" ? "change" : "name";
    this.#take(document);
    // While there are more users than rows, only the server can sort them.
    if (!this.#more) this.#makeButtons();
    this.#search.addEventListener("input", () => this.#look());
    this.#search.form.addEventListener("submit", (event) => event.preventDefault());
    if (fold(this.#search.value.trim()) !== fold(asked.get("q") ?? "")) this.#look();
    setInterval(() => this.#age(), 30 * SECOND);
  }

  // What the connection tells

  status(change) {
    if (this.#waiting) return this.#waiting.push(change);
    this.#news.add(change.name, `${change.name}: ${change.status || "No status"}`);
    let entry = this.#users.get(fold(change.name));
    if (!entry) {
      if (this.#partial) return; // their place may be on another page
      entry = this.#read(this.#template.cloneNode(true));
    } else {
      this.#order.splice(this.#order.indexOf(entry), 1);
    }
    const { row, link, status, time } = entry;
    link.textContent = change.name;
    link.href = `${base}/~${encodeURIComponent(change.name)}`;
    putStatus(status, change.status);
    time.dateTime = change.since;
    time.textContent = formatAge(change.since);
    Object.assign(entry, this.#read(row));
    this.#put(entry);
    this.#filter([entry]);
    highlight(row);
  }

  gone(change) {
    if (this.#waiting) return this.#waiting.push(change);
    const entry = this.#users.get(fold(change.name));
    if (!entry) return;
    this.#news.add(change.name, `${change.name} is gone`);
    if (entry.row.contains(document.activeElement)) {
      const neighbour = entry.row.nextElementSibling ?? entry.row.previousElementSibling;
      (neighbour?.querySelector("a") ?? this.#search).focus();
    }
    this.#users.delete(entry.key);
    this.#order.splice(this.#order.indexOf(entry), 1);
    entry.row.remove();
    this.#matching.delete(entry);
    this.#filter([]);
  }

  miss() {
    this.#load(this.#partial ? location.href : `${base}/?sort=${this.#sort}`);
  }

  // Rows

  /** What leads to the rest of the users, if there are more than rows. */
  get #more() {
    return document.querySelector(".more");
  }

  /** What a row says, and its parts. */
  #read(row) {
    const [name, status, age] = row.cells;
    const link = name.firstElementChild;
    const time = age.firstElementChild;
    const key = fold(link.textContent);
    const text = `${key}\n${fold(status.textContent)}`;
    return { row, link, status, time, key, text, since: Date.parse(time.dateTime) };
  }

  /** Take over the rows that are in *page*. */
  #take(page) {
    const { rows } = page.getElementById("users").tBodies[0];
    this.#order = Array.from(rows, (row) => this.#read(row));
    this.#users = new Map(this.#order.map((entry) => [entry.key, entry]));
    this.#matching = new Set(this.#order);
  }

  /** Put a row where it belongs, whether it is in the table or not. */
  #put(entry) {
    let [low, high] = [0, this.#order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#order[middle], entry) < 0) low = middle + 1;
      else high = middle;
    }
    const next = this.#order[low]?.row ?? null;
    this.#order.splice(low, 0, entry);
    this.#users.set(entry.key, entry);
    if (entry.row.isConnected && entry.row.nextElementSibling === next) return;
    const focused = entry.row.contains(document.activeElement);
    this.#table.tBodies[0].insertBefore(entry.row, next);
    if (focused) entry.link.focus({ preventScroll: true });
  }

  #compare(one, other) {
    const newer = this.#sort === "change" ? other.since - one.since : 0;
    return newer || (one.key < other.key ? -1 : Number(one.key > other.key));
  }

  #age() {
    for (const { time } of this.#order) {
      const age = formatAge(time.dateTime);
      if (age !== time.textContent) time.textContent = age;
    }
  }

  // Sorting

  #makeButtons() {
    for (const link of this.#table.tHead.querySelectorAll("a")) {
      const button = document.createElement("button");
      const sort = new URL(link.href).searchParams.get("sort");
      button.type = "button";
      button.textContent = link.textContent;
      button.addEventListener("click", () => this.#sortBy(sort));
      this.#headers[sort] = link.parentElement;
      link.replaceWith(button);
    }
  }

  #sortBy(sort) {
    this.#sort = sort;
    for (const header of Object.values(this.#headers)) header.removeAttribute("aria-sort");
    this.#headers[sort].setAttribute("aria-sort", "ascending");
    this.#order.sort((one, other) => this.#compare(one, other));
    this.#table.tBodies[0].append(...this.#order.map(({ row }) => row));
    history.replaceState(null, "", this.#address);
  }

  // Searching

  /** The address of the list as it is. */
  get #address() {
    const query = new URLSearchParams();
    const word = this.#search.value.trim();
    if (word) query.set("q", word);
    if (this.#sort === "change") query.set("sort", "change");
    return `${base}/?${query}`.replace(/\?$/, "");
  }

  /** Look for what is typed: among the rows that are here if those are all there are. */
  #look() {
    if (!this.#partial) {
      this.#word = fold(this.#search.value.trim());
      this.#filter();
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      if (this.#partial) await this.#load(this.#address);
      history.replaceState(null, "", this.#address);
      this.#news.say(this.#count.textContent);
    }, SECOND / 2);
  }

  /** Show those of the rows that have the word, and say how many do in all. */
  #filter(entries = this.#order) {
    for (const entry of entries) {
      const matches = entry.text.includes(this.#word);
      if (matches) this.#matching.add(entry);
      else this.#matching.delete(entry);
      if (entry.row.hidden === matches) entry.row.hidden = !matches;
    }
    const count = this.#matching.size;
    this.#table.hidden = count === 0;
    if (!this.#partial) this.#count.replaceChildren(...this.#describe(count));
  }

  /** The words that the server has for it, too. */
  #describe(count) {
    const word = document.createElement("bdi");
    word.textContent = this.#search.value.trim();
    if (!count) return this.#word ? ["Nobody matches “", word, "”."] : ["Nobody is listed yet."];
    const users = `${count.toLocaleString("en")} user${count === 1 ? "" : "s"}`;
    return this.#word ? [`${users} with “`, word, "”"] : [users];
  }

  // Loading

  /** Have the server make a list. */
  async #load(address) {
    this.#loading?.abort();
    const { signal } = (this.#loading = new AbortController());
    this.#waiting ??= [];
    try {
      const page = await fetchPage(address, signal);
      const focused = this.#order.find(({ link }) => link === document.activeElement);
      this.#take(page);
      this.#table.tBodies[0].replaceChildren(...this.#order.map(({ row }) => row));
      this.#users.get(focused?.key)?.link.focus({ preventScroll: true });
      this.#count.replaceChildren(...page.getElementById("count").childNodes);
      const more = page.querySelector(".more");
      this.#more?.remove();
      if (more) this.#table.after(more);
      this.#partial = new URL(address, location).searchParams.has("q") || more !== null;
      this.#filter();
    } catch {
      // Another list is wanted by now, or the server is away: what is here stays.
    }
    if (signal.aborted) return;
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const change of waiting) this[change.type](change);
  }
}

/** The page of one user. */
class Person {
  #news;
  #article = document.querySelector("article");

  constructor(news) {
    this.#news = news;
  }

  status(change) {
    const line = this.#since;
    const shown = Date.parse(line.querySelector("time").dateTime);
    if (!line.hidden && Date.parse(change.since) === shown) return;
    this.#keep();
    this.#say(change.name, change.status || "No status");
    line.hidden = false;
    // What was set has the moment of it for its number; the users file has no history.
    line.toggleAttribute("data-listed", Math.floor(change.id / 1000) !== Date.parse(change.since));
    line.replaceChildren("since ", makeTime(change.since));
    if (change.until) line.append(", until ", makeTime(change.until));
  }

  gone(change) {
    this.#say(change.name, "No such user");
    this.#since.hidden = true;
  }

  async miss() {
    try {
      const page = await fetchPage(location.href);
      const article = page.querySelector("article");
      if (!article.querySelector(".since")) return this.gone({ name: user });
      this.#article.replaceWith(article);
      this.#article = article;
    } catch {
      // The server is away; what is here stays.
    }
  }

  get #status() {
    return this.#article.querySelector("h1 + p");
  }

  get #since() {
    return this.#article.querySelector(".since");
  }

  #say(name, words) {
    this.#status.textContent = words;
    this.#article.classList.toggle("long", words.length > 160);
    highlight(this.#status);
    this.#news.add(name, `${name}: ${words}`);
  }

  /** Let what held until now be the newest of what held earlier. */
  #keep() {
    if (this.#since.hidden || "listed" in this.#since.dataset) return;
    const words = document.createElement("span");
    words.dir = "auto";
    words.textContent = this.#status.textContent;
    const entry = document.createElement("li");
    entry.append(makeTime(this.#since.querySelector("time").dateTime), " ", words);
    const earlier = this.#article.querySelector(".earlier");
    earlier.querySelector("ol").prepend(entry);
    earlier.hidden = false;
  }
}

// Times are those of Greenwich; whoever points at one is told their own.
document.addEventListener("pointerover", ({ target }) => {
  const time = target.closest("time[datetime]");
  if (time) time.title = new Date(time.dateTime).toLocaleString();
});

new Follower(user ? new Person(new News()) : new List(new News()));
