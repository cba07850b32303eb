import { NotSupportedError } from '../errors.js'

/** Formats in which a body can be taken whole: the body mixin of the Fetch standard. */
export type BodyFormat = 'text' | 'json' | 'bytes' | 'arrayBuffer' | 'blob' | 'formData'

/** A body that came whole. */
export interface Collected {
  kind: BodyFormat
  chunks: Buffer[]
  contentType: string
}

/** Settles a promise with the body in the format that was asked for. */
export function deliver(body: Collected, resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
  try {
    resolve(convert(body))
  } catch (error) {
    reject(error)
  }
}

/** Returns the body in the format that was asked for. */
export function convert({ kind, chunks, contentType }: Collected): unknown {
  const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
  switch (kind) {
    case 'text':
      return decode(whole)
    case 'json':
      return JSON.parse(decode(whole))
    case 'bytes':
      return new Uint8Array(ownBuffer(whole))
    case 'arrayBuffer':
      return ownBuffer(whole)
    case 'blob':
      return new Blob([whole], { type: contentType })
    case 'formData':
      return toFormData(whole, contentType)
  }
}

/** Memory that holds these bytes alone: others' must not be handed out with them. */
function ownBuffer(bytes: Buffer): ArrayBuffer {
  const { buffer, byteOffset, length } = bytes
  if (length === buffer.byteLength) return buffer as ArrayBuffer
  return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer
}

/** https://encoding.spec.whatwg.org/#utf-8-decode */
function decode(bytes: Buffer): string {
  const marked = bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return bytes.toString('utf8', marked ? 3 : 0)
}

/** The platform knows how; only a runtime without the Fetch standard's classes does not. */
function toFormData(bytes: Uint8Array, contentType: string): Promise<FormData> {
  if (typeof Response === 'undefined') throw new NotSupportedError('formData() needs a runtime with Response')
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers: { 'content-type': contentType } }).formData()
}
