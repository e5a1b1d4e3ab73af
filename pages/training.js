
// A training that was killed cannot finish its page: one that nobody has written to for an hour stops reloading.
const reload = Number(document.body.dataset.reload);
if (reload && Date.now() - new Date(document.lastModified) < 3600e3) {
  setTimeout(() => location.reload(), 1000 * reload);
} else if (reload) {
  document.querySelector(".status").append(
    " Nothing was written for an hour, so it reloads no more: was the training killed? --continue_train goes on.");
}
