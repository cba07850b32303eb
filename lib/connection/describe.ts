import { shownRequest } from '../diagnostics/words.js'
import type { Pipeline } from './pipeline.js'
import { type ConnectionState, WRITING } from './state.js'

/** What a connection shows of itself. */
interface ConnectionParts {
  pipeline: Pipeline
  state: ConnectionState
  /** Infinity where the server has no limit. */
  timer: { readonly elapsed: number }
}

/** What a connection does now. */
export function describeConnection({ id, open }: { id: number; open: boolean }, shown: ConnectionParts): string {
  const { pipeline, state, timer } = shown
  const { oldest: head, size, sent } = pipeline
  let what = open ? 'idle' : 'connecting'
  if (head !== null) {
    what = state.writing % WRITING.stopped > 0 && size === 1 ? 'writing' : 'waiting for the head of'
    what = `${head.headersReceived ? 'reading the body of' : what} ${shownRequest(head.request)}`
  }
  const { elapsed } = timer
  if (Number.isFinite(elapsed)) what += ` for ${Math.ceil(elapsed)} ms`
  return `#${id} ${what}; ${size} under way, ${sent} sent`
}
