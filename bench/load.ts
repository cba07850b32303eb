import { writeFileSync } from 'node:fs'
import { exitOnClosedPipe } from './harness/closed-pipe.js'
import { install } from './harness/packages.js'
import { generate } from './load/generate.js'
import { help, parse } from './load/options.js'
import { Progress } from './load/progress.js'
import { distribution, lines } from './load/report.js'

/** Load generator: fixed arrival times, latency from the intended start of each request. */
async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(help)
    return 0
  }
  const options = parse(args)
  const build = await install().histogram()
  const histogram = build()
  const report = await generate(options, histogram, new Progress(process.stderr, build()))
  if (options.hgrm !== null) writeFileSync(options.hgrm, distribution(histogram))
  console.log(options.json ? JSON.stringify(report, null, 2) : lines(options, report, histogram).join('\n'))
  return report.failed === 0 ? 0 : 1
}

exitOnClosedPipe()
process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message)
  return 1
})
