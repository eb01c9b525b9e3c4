/* zip.js - files in one ZIP, not compressed. */

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = table[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/* fields: [bytes, value], ...; little endian */
function record(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return view.buffer;
}

const DAY = (1 << 5) | 1; // 1980-01-01, so that the same boxes give the same file
const UTF8 = 0x800;       // names are UTF-8

/* files: [{name, content: string or Blob}, ...] -> Blob */
export async function zip(files) {
  const parts = [], directory = [];
  let at = 0;
  for (const { name, content } of files) {
    const blob = new Blob([content]), bytes = new Uint8Array(await blob.arrayBuffer());
    const path = new TextEncoder().encode(name);
    const what = [[2, 20], [2, UTF8], [2, 0], [2, 0], [2, DAY], [4, crc32(bytes)], [4, blob.size], [4, blob.size], [2, path.length], [2, 0]];
    parts.push(record([4, 0x04034b50], ...what), path, blob);
    directory.push(record([4, 0x02014b50], [2, 20], ...what, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]), path);
    at += 30 + path.length + blob.size;
    if (at > 0xf0000000 || files.length > 65000) throw new RangeError("This is too much for one ZIP file: leave the pictures out.");
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0), n = files.length;
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, n], [2, n], [4, size], [4, at], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
