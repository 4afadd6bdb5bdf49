// When to ask: at once, but for each part of the page one request at a time, and with a pause between two.

const GAP = 400; // ms between two requests for the same part, however much happens

/**
 * Return a function that asks for a part soon; what comes while it is being asked for makes it be asked once more.
 *
 * `parts` has a function that reads and shows for each name; `worked(name)` and `failed(name, error)` are told of it.
 */
export function asker(parts, { worked, failed }) {
  const asked = new Map(); // name -> {running, dirty}
  return function ask(name) {
    const state = asked.get(name) ?? { running: false, dirty: false };
    asked.set(name, state);
    if (state.running) {
      state.dirty = true;
      return;
    }
    state.running = true;
    const begun = performance.now();
    void (async () => {
      try {
        await parts[name]();
        worked(name);
      } catch (error) {
        failed(name, error);
      }
      // Whoever answers slowly is asked less often.
      const pause = Math.max(GAP, 3 * (performance.now() - begun));
      setTimeout(() => {
        state.running = false;
        if (state.dirty) {
          state.dirty = false;
          ask(name);
        }
      }, pause);
    })();
  };
}
