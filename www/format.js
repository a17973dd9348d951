// How names, sizes, dates and durations are shown, and how elements are made: text only, never
// markup. What they are shown in is for the views.

const UNITS = ['kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte'];
const NUMBER = new Intl.NumberFormat();
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

const units = new Map();

function measure(value, unit, digits, unitDisplay) {
  const name = `${unit}${digits}${unitDisplay}`;
  if (!units.has(name)) {
    units.set(name, new Intl.NumberFormat(undefined, {
      style: 'unit', unit, unitDisplay, maximumFractionDigits: digits, roundingMode: 'trunc',
    }));
  }
  return units.get(name).format(value);
}

export const number = (value) => NUMBER.format(value);

// 1.4 MB: powers of 1,000, rounded down, as file managers do.
export function size(bytes) {
  if (bytes < 1000) return measure(bytes, 'byte', 0, 'long');
  let unit = 0;
  let value = bytes / 1000;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return measure(value, UNITS[unit], value < 100 ? 1 : 0, 'short');
}

export const bytes = (value) => measure(value, 'byte', 0, 'long');

// 20 seconds, 3 minutes: as exact as an estimate may be.
export function duration(seconds) {
  if (seconds < 60) return measure(Math.max(1, Math.ceil(seconds / 5) * 5), 'second', 0, 'long');
  if (seconds < 5400) return measure(Math.ceil(seconds / 60), 'minute', 0, 'long');
  if (seconds < 129600) return measure(Math.ceil(seconds / 3600), 'hour', 0, 'long');
  return measure(Math.ceil(seconds / 86400), 'day', 0, 'long');
}

const valid = (text) => {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? null : time;
};

// Day and time of day, in the reader's language and zone.
export function date(text) {
  const time = valid(text);
  return time ? `${DAY.format(time)}, ${CLOCK.format(time)}` : '';
}

export function fullDate(text) {
  const time = valid(text);
  return time ? FULL.format(time) : '';
}

export function count(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? '' : 's'}`;
}

// A name may hold what turns the text after it around, or breaks the line: shown for what it is.
export function plain(name) {
  return name.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu, '\ufffd');
}

export const baseName = (key) => key.slice(key.lastIndexOf('/', key.length - 2) + 1);

// What a file or a folder is called in front of people.
export const shortName = (key) => plain(baseName(key).replace(/\/$/, ''));

export function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Room for a long name is cut out of its middle: its end tells files apart, and their kinds.
export function name(text) {
  const shown = plain(text);
  const letters = [...shown];
  const made = element('bdi', { className: 'cut', dir: 'auto' });
  if (letters.length < 20) {
    made.append(element('span', { textContent: shown }));
  } else {
    // A space at the cut would make a hole of it.
    const end = letters.at(-10) === ' ' ? -9 : -10;
    made.append(...[letters.slice(0, end), letters.slice(end)].map((part) => (
      element('span', { textContent: part.join('') }))));
  }
  return made;
}

const KINDS = [
  ['image', /\.(avif|bmp|gif|ico|jpe?g|png|svg|webp|heic|tiff?)$/i],
  ['media', /\.(aac|avi|flac|m4a|m4v|mkv|mov|mp3|mp4|mpe?g|oga|ogg|ogv|opus|wav|webm)$/i],
  ['text', /\.(c|conf|cpp|css|csv|docx?|go|h|html?|ini|java|js|json|log|md|odt|pdf|py|rs|rtf|sh|sql|toml|ts|tsv|txt|xml|ya?ml)$/i],
];

// The icon's name for a key.
export function kind(key) {
  if (key.endsWith('/')) return 'folder';
  return KINDS.find(([, test]) => test.test(key))?.[0] ?? 'file';
}
