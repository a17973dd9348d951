// How sizes and dates are shown, and how elements are made (text only, never markup).

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];
const NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

// 1.4 MB: powers of 1,000, rounded down, as file managers do.
export function size(bytes) {
  if (bytes === 1) return '1 byte';
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${NUMBER.format(Math.floor(value * 10) / 10)} ${UNITS[unit]}`;
}

// The day and the time of day, in the reader's language and zone.
export function date(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? ['', ''] : [DAY.format(time), CLOCK.format(time)];
}

export function count(number, noun) {
  return `${NUMBER.format(number)} ${noun}${number === 1 ? '' : 's'}`;
}

export function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
