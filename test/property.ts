import { relative } from 'node:path'
import fc, { type RunDetails } from 'fast-check'

/** fast-check, whose failures print the command that shows them again. Tests of properties take it from here. */
export default fc

const seed = process.env.SLUICE_PROPERTY_SEED

fc.configureGlobal({
  // Without it a list of up to 200 steps has 10 at most.
  defaultSizeToMaxWhenMaxSpecified: true,
  ...(seed === undefined ? {} : { seed: Number(seed) }),
  reporter: (details: RunDetails<unknown>) => {
    if (!details.failed) return
    const file = relative(process.cwd(), process.argv[1] ?? '')
    const again = `again: SLUICE_PROPERTY_SEED=${details.seed} node ${file}`
    throw new Error(`${fc.defaultReportMessage(details)}\n${again}`, { cause: details.errorInstance })
  },
})
