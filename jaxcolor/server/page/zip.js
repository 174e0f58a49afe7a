// A ZIP archive of files as they are: photographs don't get smaller. Blobs are parts of it, not copied; see PKWARE's APPNOTE.

const MOST_BYTES = 2 ** 32 - 1; // beyond is ZIP64, which not every system opens
const MOST_FILES = 2 ** 16 - 1;
const PIECE = 2 ** 22; // bytes that are in memory at a time
const UTF8_NAMES = 0x0800;
const DOS_DAY = (1 << 5) | 1; // 1 January 1980, so that the same files make the same archive

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  return value;
});

/** Resolves to the CRC-32 of a blob, of which only a piece at a time is in memory. */
async function crc32(blob) {
  let crc = ~0;
  for (let start = 0; start < blob.size; start += PIECE) {
    const bytes = new Uint8Array(await blob.slice(start, start + PIECE).arrayBuffer());
    for (let at = 0; at < bytes.length; at += 1) crc = TABLE[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/** Little-endian numbers, `[bytes, value]` each. */
function record(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return view;
}

/** Names of which no two are one, for systems to which capitals are the same letters too. */
export function distinct(names) {
  const taken = new Set();
  return names.map((name) => {
    const dot = name.lastIndexOf('.') > 0 ? name.lastIndexOf('.') : name.length;
    let unique = name;
    for (let number = 2; taken.has(unique.toLowerCase()); number += 1) {
      unique = `${name.slice(0, dot)} (${number})${name.slice(dot)}`;
    }
    taken.add(unique.toLowerCase());
    return unique;
  });
}

/**
 * Resolves to an archive of `files`, `[{ name, blob }, …]`, as a blob. `progress` is called with how many are in it.
 * Throws a RangeError where they are too many or too large for one.
 */
export async function zip(files, progress = () => {}) {
  const names = distinct(files.map(({ name }) => name)).map((name) => new TextEncoder().encode(name));
  const bytes = files.reduce((sum, { blob }, index) => sum + blob.size + 76 + 2 * names[index].length, 22);
  if (bytes > MOST_BYTES || files.length > MOST_FILES) {
    throw new RangeError('They are more than a ZIP file holds (4 GB); download them one by one.');
  }
  const parts = [];
  const directory = [];
  let offset = 0;
  let length = 0;
  for (const [index, { blob }] of files.entries()) {
    const name = names[index];
    const common = [[2, 20], [2, UTF8_NAMES], [2, 0], [2, 0], [2, DOS_DAY], [4, await crc32(blob)], [4, blob.size],
      [4, blob.size], [2, name.length], [2, 0]];
    parts.push(record([4, 0x04034b50], ...common), name, blob);
    directory.push(record([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), name);
    offset += 30 + name.length + blob.size;
    length += 46 + name.length;
    progress(index + 1);
  }
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: 'application/zip' });
}
