// The generator as a function that answers later. It computes in a worker, which can be ended at any time.

// What can compute here, the best one first: a GPU that is only pretended is slower than WASM.
export async function devices() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return ["wasm"];
  return adapter.info?.isFallbackAdapter ? ["wasm", "webgpu"] : ["webgpu", "wasm"];
}

export class Engine {
  // device: "webgpu" or "wasm"; loaded: is told how many bytes of the model are there. `ready`: when it can translate.
  constructor(model, device, loaded) {
    this.device = device;
    this.loaded = loaded;
    this.worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = event => {
      event.preventDefault();
      this.hear({ error: event.message || "a file of this folder is missing or damaged" });
    };
    this.ready = this.ask({ model, device }).then(answer => { this.threads = answer.ready.threads; });
    this.free = this.ready.catch(() => {});  // whoever waits for `ready` is told; this is when it has come to rest
  }

  get title() {
    return this.device === "webgpu" ? "WebGPU" : `WASM, ${this.threads} ${this.threads === 1 ? "thread" : "threads"}`;
  }

  hear(answer) {
    if (answer.loaded) this.loaded(answer.loaded);
    else if (answer.error) this.waiting.reject(new Error(answer.error));
    else this.waiting.resolve(answer);
  }

  ask(question, handed = []) {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.worker.postMessage(question, handed);
    });
  }

  // From {data: RGBA, width, height} to {made: likewise, ms}. One at a time: wait until it is free. data is handed over.
  translate({ data, width, height }) {
    const answer = this.ready.then(() => this.ask({ picture: { data, width, height } }, [data.buffer]));
    this.free = answer.then(() => {}, () => {});
    return answer;
  }

  // Whatever is at work is ended, which its caller hears as an AbortError.
  stop() {
    this.worker.terminate();
    this.waiting.reject(new DOMException("stopped", "AbortError"));
  }
}
