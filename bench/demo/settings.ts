/** `--json`: for machines; `--quick`: a twentieth of all; `--spoil`: origins answer wrong at times, to see it found out. */
export const json = process.argv.includes('--json')
export const spoil = process.argv.includes('--spoil')
const quick = process.argv.includes('--quick')

/** So many requests. */
export function times(count: number): number {
  return quick ? Math.max(5, Math.round(count / 20)) : count
}

/** So many ms. */
export function lasting(ms: number): number {
  return quick ? ms / 3 : ms
}
