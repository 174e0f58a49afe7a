// Pictures that this browser decodes.

/** Resolves to the width and height of a picture that the browser can show; rejects where it can't. */
export async function measure(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/** Resolves to a picture as PNG, the one kind that every clipboard takes. */
export async function toPNG(blob) {
  if (blob.type === 'image/png') return blob;
  const bitmap = await createImageBitmap(blob);
  const canvas = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((png) => { if (png) resolve(png); else reject(new Error('too large a canvas')); }, 'image/png');
  });
}
