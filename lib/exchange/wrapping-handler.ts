/** The handler inside `handler`; null when `handler` is no {@link WrappingHandler}. */
export let innerHandlerOf: (handler: object) => object | null

/**
 * Base of the library's handlers that pass callbacks on to another handler. What a dispatcher tells the outer handler
 * about itself reaches those inside by {@link innerHandlerOf}.
 */
export abstract class WrappingHandler {
  readonly #inner: object

  static {
    // By the class first, which costs next to nothing: most handlers are a caller's own, and every dispatch asks.
    innerHandlerOf = (handler) => (handler instanceof WrappingHandler && #inner in handler ? handler.#inner : null)
  }

  constructor(inner: object) {
    this.#inner = inner
  }
}
