import type { Queue } from '../base/queue.js'
import { shownRequest } from '../diagnostics/words.js'
import type { Exchange } from '../exchange/exchange.js'
import { type ConnectionState, WRITING } from './state.js'

/** What a connection shows of itself. */
interface Shown {
  pipeline: Queue<Exchange>
  state: ConnectionState
  /** Its length is no number of ms where there is no limit to it. */
  silence: { readonly length: number }
  sent: number
}

/** What a connection does now. */
export function inWords({ id, open }: { id: number; open: boolean }, shown: Shown): string {
  const { pipeline, state, silence, sent } = shown
  const { head, size } = pipeline
  let what = open ? 'idle' : 'connecting'
  if (head !== null) {
    what = state.writing % WRITING.stopped > 0 && size === 1 ? 'writing' : 'waiting for the head of'
    what = `${head.headReceived ? 'reading the body of' : what} ${shownRequest(head.request)}`
  }
  if (Number.isFinite(silence.length)) what += ` for ${Math.ceil(silence.length)} ms`
  return `#${id} ${what}; ${size} under way, ${sent} sent`
}
