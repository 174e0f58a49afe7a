// Uploads take turns.

const AT_ONCE = 3; // the server colours those that come together in one go

const waiting = []; // for a place
let places = AT_ONCE;

/** Does `work` once fewer than AT_ONCE others are at theirs. */
export async function inTurn(work) {
  if (places > 0) places -= 1;
  else await new Promise((resolve) => { waiting.push(resolve); });
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else places += 1;
  }
}
