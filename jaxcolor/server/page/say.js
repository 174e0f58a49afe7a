/** Tells those who do not see it, by a screen reader, what has happened. */
export const say = (words) => { document.getElementById('status').textContent = words; };
