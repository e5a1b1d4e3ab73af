// A webcam, as a video that is not shown.

const REFUSALS = {
  NotAllowedError: "The webcam was refused. Allow it for this page, beside its address, and try again.",
  NotFoundError: "There is no webcam on this machine.",
  NotReadableError: "The webcam is in use by another program; close that one and try again.",
};

// Error, in words, when there is none or it may not be used.
export async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("A browser gives the webcam only to pages of this machine or over https: open this one as "
      + "http://localhost:8000, or whichever port it has.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    throw new Error(REFUSALS[error.name] ?? `The webcam cannot be used: ${error.message || error.name}.`);
  }
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  return video;
}

export function closeCamera(video) {
  for (const track of video.srcObject.getTracks()) track.stop();
}
