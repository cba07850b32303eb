import { benchClientOf } from '../clients/all.js'
import { probes } from '../workloads/probes.js'
import { serve } from './channel.js'
import type { Session, Setup } from './client-session.js'
import { closedLoop } from './closed-loop.js'
import type { Histogram } from './histogram.js'
import { openLoop } from './open-loop.js'
import { Packages } from './packages.js'

// Client process: one session, controlled by the parent process.

let packages: Packages
let session: Session
let histogram: Histogram

interface RunOptions {
  width: number
  warm: number
  seconds: number
}

/** Returns the recorded latencies in the encoding of hdr-histogram-js, and clears them. */
async function takeLatencies(): Promise<string> {
  const { encodeIntoCompressedBase64 } = await packages.load('hdr-histogram-js')
  const encoded = encodeIntoCompressedBase64(histogram) as string
  histogram.reset()
  return encoded
}

serve({
  async open({ client, setup, folder }: { client: string; setup: Setup; folder: string }) {
    packages = new Packages(folder)
    histogram = (await packages.histogram())()
    session = await benchClientOf(client).open(setup, packages)
  },
  async run({ width, warm, seconds }: RunOptions) {
    const round = await closedLoop(session, { width, warm, seconds, histogram })
    return { ...round, latency: await takeLatencies() }
  },
  async arrive({ rate, warm, seconds }: { rate: number; warm: number; seconds: number }) {
    const round = await openLoop(session, { rate, warm, seconds, histogram })
    return { ...round, latency: await takeLatencies() }
  },
  async probe(given: { probe: keyof typeof probes; client: string; setup: Setup; folder: string; size: number }) {
    return probes[given.probe]({ ...given, packages: new Packages(given.folder) })
  },
  /** Returns the peak resident set size in bytes. */
  peak: () => process.resourceUsage().maxRSS * 1024,
  close: () => session.close(),
})
