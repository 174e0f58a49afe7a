// After the first visit the page works without a network: its files are kept, and new ones taken when all are closed.

const PREFIX = `jaxcolor ${registration.scope} `;
const KEPT = PREFIX + VERSION;
const WANTED = FILES.filter((name) => name !== 'webgpu.js' || (navigator.gpu && WebAssembly.Suspending));

addEventListener('install', (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(WANTED)));
});

addEventListener('activate', (event) => {
  const old = (key) => key.startsWith(PREFIX) && key !== KEPT;
  event.waitUntil(caches.keys().then((keys) => Promise.all(keys.filter(old).map((key) => caches.delete(key)))));
});

addEventListener('fetch', (event) => {
  const kept = caches.open(KEPT).then((cache) => cache.match(event.request, { ignoreSearch: true }));
  event.respondWith(kept.then((response) => response ?? fetch(event.request)));
});
