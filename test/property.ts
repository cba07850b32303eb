import { relative } from 'node:path'
import fc, { type RunDetails } from 'fast-check'

/** fast-check, configured to print the command that reproduces a failure. All property tests import it from here. */
export default fc

const seed = process.env.SLUICE_PROPERTY_SEED

fc.configureGlobal({
  // Otherwise arrays with maxLength 200 have at most 10 elements.
  defaultSizeToMaxWhenMaxSpecified: true,
  ...(seed === undefined ? {} : { seed: Number(seed) }),
  reporter: (details: RunDetails<unknown>) => {
    if (!details.failed) return
    const file = relative(process.cwd(), process.argv[1] ?? '')
    const again = `again: SLUICE_PROPERTY_SEED=${details.seed} node ${file}`
    throw new Error(`${fc.defaultReportMessage(details)}\n${again}`, { cause: details.errorInstance })
  },
})
