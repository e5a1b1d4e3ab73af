// From files and video to pixels.

const FORMATS = "PNG, JPEG, WebP, GIF, BMP or AVIF";

// A picture upright by its EXIF orientation, with the values of its file. Error, in words, when it is none.
export async function decode(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    const name = file.name || "what was given";
    const what = file.type.startsWith("image/") && file.type !== "image/tiff"
      ? `${name} cannot be read: it is damaged, too large for this browser, or of a kind that it does not know`
      : `${name} is no picture that a browser reads`;
    throw new Error(`${what}; expected ${FORMATS}.`);
  }
}

// The size in which [width, height] has its longer side at most `most`.
export function within([width, height], most) {
  const factor = Math.min(1, most / Math.max(width, height));
  return [width, height].map(side => Math.max(1, Math.round(side * factor)));
}

// The pixels of a picture or of a video's frame in that size, laid over white where it is transparent.
export function pixels(source, [width, height]) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

// Draws {data, width, height} on a canvas, which takes its size.
export function show(canvas, { data, width, height }) {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
}
