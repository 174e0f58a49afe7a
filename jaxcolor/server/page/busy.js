// A server that is busy says when to come again.

const TRIES = 6;

/** Does `work`, and again where the server was busy; `waiting` is called with the seconds until then. */
export async function patiently(work, signal, waiting = () => {}, tries = TRIES) {
  for (let left = tries; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !error.after || left === 1) throw error;
      waiting(error.after);
      await new Promise((resolve) => { setTimeout(resolve, 1000 * error.after); });
      if (signal.aborted) throw error;
    }
  }
}
