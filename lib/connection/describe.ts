import { shownRequest } from '../diagnostics/shown-request.js'
import type { Pipeline } from './pipeline.js'
import { type ConnectionState, WRITING } from './state.js'

/** Parts of a connection that {@link describeConnection} reads. */
interface ConnectionParts {
  pipeline: Pipeline
  state: ConnectionState
  /** `elapsed`: ms since the server was last active; `Infinity` without a timeout. */
  timer: { readonly elapsed: number }
}

/** Describes the current activity of a connection in one line, for `util.inspect`. */
export function describeConnection({ id, open }: { id: number; open: boolean }, parts: ConnectionParts): string {
  const { pipeline, state, timer } = parts
  const { oldest, size, sent } = pipeline
  let activity = open ? 'idle' : 'connecting'
  if (oldest !== null) {
    activity = state.writing % WRITING.stopped > 0 && size === 1 ? 'writing' : 'waiting for the headers of'
    activity = `${oldest.headersReceived ? 'reading the body of' : activity} ${shownRequest(oldest.request)}`
  }
  const { elapsed } = timer
  if (Number.isFinite(elapsed)) activity += ` for ${Math.ceil(elapsed)} ms`
  return `#${id} ${activity}; ${size} in flight, ${sent} sent`
}
