/** Returns the handler that `handler` wraps, or `null` if it is not a {@link WrappingHandler}. */
export let innerHandlerOf: (handler: object) => object | null

/**
 * Base class of sluice's handlers that forward callbacks to another handler. {@link innerHandlerOf} lets a dispatcher
 * reach the inner handlers.
 */
export abstract class WrappingHandler {
  readonly #inner: object

  static {
    // `instanceof` first because it is cheap: most handlers are the caller's own, and this runs on every dispatch.
    innerHandlerOf = (handler) => (handler instanceof WrappingHandler && #inner in handler ? handler.#inner : null)
  }

  constructor(inner: object) {
    this.#inner = inner
  }
}
