// Runs the generator, away from the page, which stays alive meanwhile.
import * as ort from "./ort.webgpu.bundle.min.mjs";

// Several threads share memory, which a browser allows only to pages that a server sends with headers for it.
const threads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency) : 1;
ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.asyncify.wasm", import.meta.url).href };
ort.env.wasm.numThreads = threads;
ort.env.logLevel = "error";

let model, session;

// The model's file, checked against the size that it was written with.
async function load() {
  const answer = await fetch(model.file, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${model.file} is not there: the server answers ${answer.status}`);
  const content = new Uint8Array(model.bytes), reader = answer.body.getReader();
  let done = 0;
  for (let part; !(part = await reader.read()).done; done += part.value.length) {
    if (done + part.value.length > model.bytes) throw new Error(`${model.file} is larger than ${model.bytes} bytes`);
    content.set(part.value, done);
    postMessage({ loaded: done + part.value.length });
  }
  if (done < model.bytes) throw new Error(`${model.file} is cut off: ${done} of ${model.bytes} bytes`);
  return content;
}

async function start(given, device) {
  model = given;
  session = await ort.InferenceSession.create(await load(), { executionProviders: [device], logSeverityLevel: 3 });
  postMessage({ ready: { device, threads } });
}

// Pixels as a canvas has them, 0 to 255 in RGBA, to [-1, 1] in planes; gray is Pillow's luminance of the colours.
function toUnits({ data, width, height }) {
  const area = width * height, units = new Float32Array(model.input * area);
  for (let i = 0; i < area; i++) {
    const red = data[4 * i], green = data[4 * i + 1], blue = data[4 * i + 2];
    if (model.input === 1) {
      units[i] = (19595 * red + 38470 * green + 7471 * blue + 32768 >> 16) / 127.5 - 1;
    } else {
      units[i] = red / 127.5 - 1;
      units[area + i] = green / 127.5 - 1;
      units[2 * area + i] = blue / 127.5 - 1;
    }
  }
  return new ort.Tensor("float32", units, [1, model.input, height, width]);
}

// Back again; an array of this kind rounds and clips by itself.
function toPixels(units, dims) {
  const [, channels, height, width] = dims, area = width * height;
  const data = new Uint8ClampedArray(4 * area).fill(255);
  for (let i = 0; i < area; i++) {
    for (let band = 0; band < 3; band++) {
      data[4 * i + band] = (units[(channels === 1 ? 0 : band) * area + i] + 1) * 127.5;
    }
  }
  return { data, width, height };
}

async function translate(picture) {
  const began = performance.now();
  const input = toUnits(picture), { [session.outputNames[0]]: output } = await session.run(
    { [session.inputNames[0]]: input });
  const made = toPixels(await output.getData(), output.dims);
  input.dispose();
  output.dispose();
  postMessage({ made, ms: performance.now() - began }, [made.data.buffer]);
}

onmessage = async ({ data }) => {
  try {
    await (data.picture ? translate(data.picture) : start(data.model, data.device));
  } catch (error) {
    postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
};
