/** Name of the method that `util.inspect` and `console.log` call. */
export const inspectSymbol: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

/** Arguments of the method named {@link inspectSymbol}. */
export type InspectArguments = [
  depth: number | null,
  options: { stylize(text: string, style: string): string },
  inspect: (value: unknown, options: object) => string,
]
