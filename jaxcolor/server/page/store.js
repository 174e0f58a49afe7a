// Results over a reload, in the browser's own storage: the photograph, its result, and what it was coloured by.

const STORE = 'pictures';

let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('jaxcolor', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/** Does `work(store)`, which returns a request; resolves to its result once it is on the disk. */
async function transact(mode, work) {
  const transaction = (await open()).transaction(STORE, mode);
  const request = work(transaction.objectStore(STORE));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error ?? request.error);
  });
}

let count = 0;

/** A key for a photograph; keys are in the order in which they are made, and none is another tab's. */
export const newKey = () => [Date.now(), count += 1, Math.random()];

/** Resolves to what is kept, `[[key, record], …]`, in the order of their keys. */
export async function all() {
  const keys = await transact('readonly', (store) => store.getAllKeys());
  return Promise.all(keys.map(async (key) => [key, await transact('readonly', (store) => store.get(key))]));
}

/** Keeps a record, in place of the one that `key` had. */
export const keep = (record, key) => transact('readwrite', (store) => store.put(record, key));

export const forget = (key) => transact('readwrite', (store) => store.delete(key));

export const forgetAll = () => transact('readwrite', (store) => store.clear());
