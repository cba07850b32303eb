import { contenderOf } from '../contenders/all.js'
import { probes } from '../workloads/probes.js'
import { arrivals } from './arrivals.js'
import { answer } from './channel.js'
import { closedLoop } from './closed-loop.js'
import type { Histogram } from './histogram.js'
import { Packages } from './packages.js'
import type { Session, Setup } from './session.js'

// A contender as a process: one session, driven by its parent.

let packages: Packages
let session: Session
let histogram: Histogram

interface Stretch {
  width: number
  warm: number
  seconds: number
}

/** What has been recorded since the last time, in the form that hdr-histogram-js reads. */
async function taken(): Promise<string> {
  const { encodeIntoCompressedBase64 } = await packages.load('hdr-histogram-js')
  const encoded = encodeIntoCompressedBase64(histogram) as string
  histogram.reset()
  return encoded
}

answer({
  async open({ contender, setup, folder }: { contender: string; setup: Setup; folder: string }) {
    packages = new Packages(folder)
    histogram = (await packages.histogram())()
    session = await contenderOf(contender).open(setup, packages)
  },
  async run({ width, warm, seconds }: Stretch) {
    const round = await closedLoop(session, { width, warm, seconds, histogram })
    return { ...round, latency: await taken() }
  },
  async arrive({ rate, warm, seconds }: { rate: number; warm: number; seconds: number }) {
    const round = await arrivals(session, { rate, warm, seconds, histogram })
    return { ...round, latency: await taken() }
  },
  async probe(given: { probe: keyof typeof probes; contender: string; setup: Setup; folder: string; size: number }) {
    return probes[given.probe]({ ...given, packages: new Packages(given.folder) })
  },
  /** Highest resident set so far, bytes. */
  peak: () => process.resourceUsage().maxRSS * 1024,
  close: () => session.close(),
})
