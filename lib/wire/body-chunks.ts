import { pooledCopy, unpooledCopy } from '../base/unpooled-memory.js'
import { CHUNK_MEMORY, type ChunkMemory, joinChunks } from './chunk-memory.js'
import type { Engine } from './engine.js'
import type { ParserListener } from './parser-listener.js'

/** Length up to which a copy in Node's pool takes no longer than creating a view. */
const POOLED_COPY_BYTES = 1024

/** A body whose bytes are in the input buffer of an engine, and what receives them. */
export interface BufferedBody {
  readonly engine: Engine
  readonly listener: ParserListener
  /** Memory in which the chunks are passed on. */
  readonly chunkMemory: ChunkMemory
}

/** Whether chunks are copied. Callers get no view of an input buffer that they could transfer. */
function copiesChunks({ engine, chunkMemory }: BufferedBody): boolean {
  return chunkMemory === CHUNK_MEMORY.copy || (chunkMemory === CHUNK_MEMORY.view && engine.detachable)
}

/** Passes on `input[start..end)`. */
export function passChunk(body: BufferedBody, start: number, end: number): void {
  const { input, views } = body.engine
  if (copiesChunks(body)) body.listener.onBody(unpooledCopy(input, start, end), false)
  else if (body.chunkMemory === CHUNK_MEMORY.view || end - start > POOLED_COPY_BYTES)
    body.listener.onBody(views.of(start, end), true)
  else body.listener.onBody(pooledCopy(input, start, end), false)
}

/** Passes on all chunks that one read contained as one, because chunk boundaries have no meaning (RFC 9112 §7.1). */
export function passDecodedChunks(body: BufferedBody): void {
  const { data, input } = body.engine
  const start = data[0] as number
  if (data.length > 2 && copiesChunks(body)) return body.listener.onBody(joinChunks(input, data), false)
  // Moves the data together, over the framing between the chunks, which was parsed already.
  let end = data[1] as number
  for (let i = 2; i < data.length; i += 2) end += input.copy(input, end, data[i], data[i + 1])
  passChunk(body, start, end)
}
