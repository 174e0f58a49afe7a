// Starts the page's modules out of this one script: from file:// browsers load scripts and pictures, but neither modules,
// workers nor data. `jaxcolor.sources` has the modules, `jaxcolor.model` what is known of the model.

{
  const site = globalThis.jaxcolor;
  const loaded = {};

  /** Returns a function of a module's name: its address, whose imports have theirs. */
  const addresses = (sources) => {
    const urls = {};
    const address = (name) => urls[name] ??= URL.createObjectURL(new Blob(
      [sources[name].replaceAll(/\b(from|import) '\.\/([\w.-]+)'/g, (_, word, other) => `${word} '${address(other)}'`)],
      { type: 'text/javascript' },
    ));
    return address;
  };

  /**
   * Starts a worker of a module, which makes its own addresses, for from file:// it may not load those of the page. `more`:
   * sources of modules that it alone has.
   */
  site.work = (name, more) => {
    const start = `import((${addresses})(data)('${name}')).catch((error) => setTimeout(() => { throw error; }))`;
    const script = new Blob([`onmessage = ({ data }) => { onmessage = null; ${start}; };`], { type: 'text/javascript' });
    const worker = new Worker(URL.createObjectURL(script)); // a classic one: a module from file:// is refused
    worker.postMessage({ ...site.sources, ...more });
    return worker;
  };

  /** Resolves once another script of the folder has run. */
  site.load = (file) => loaded[file] ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = file;
    script.addEventListener('load', resolve);
    script.addEventListener('error', () => {
      delete loaded[file];
      reject(new Error(file));
    });
    document.head.append(script);
  });

  site.address = addresses(site.sources);
  import(site.address('page.js'));
  if (location.protocol.startsWith('http') && isSecureContext) navigator.serviceWorker?.register('sw.js').catch(() => {});
}
