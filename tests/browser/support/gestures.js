// What hands do that playwright has no word for: dropping files, pasting them, a poor network.

// Drops files or whole folders of this machine's disk onto an element, as a file manager would.
export async function drop(page, target, paths) {
  const cdp = await page.context().newCDPSession(page);
  const box = await target.boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await cdp.send('Input.dispatchDragEvent', { type, ...at, data });
  }
  await cdp.detach();
}

// Pastes files: [{name, type, text}].
export function paste(page, files) {
  return page.evaluate((given) => {
    const clipboardData = new DataTransfer();
    for (const { name, type, text } of given) clipboardData.items.add(new File([text], name, { type }));
    const event = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true });
    (document.activeElement ?? document.body).dispatchEvent(event);
  }, files);
}

// A network of so many bytes a second in each direction, with a round trip of `latency` ms.
export async function throttle(page, { bytesPerSecond = -1, latency = 0, offline = false }) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Network.enable');
  await cdp.send('Network.emulateNetworkConditions', {
    offline, latency, downloadThroughput: bytesPerSecond, uploadThroughput: bytesPerSecond,
  });
  return cdp;
}
