import { isFieldValue } from './headers.js'

/** The part of the FormData interface that is used. */
export interface FormDataLike extends Iterable<[string, string | File]> {}
type File = Blob & { name?: string }

/** A FormData encoded as a request body (RFC 7578). */
export interface Multipart {
  readonly contentType: string
  /** Total length of all parts in bytes. */
  readonly length: number
  readonly parts: readonly (Uint8Array | Blob)[]
}

/** Encodes a FormData like browsers do. Source: https://html.spec.whatwg.org/#multipart-form-data */
export function encodeMultipart(form: FormDataLike): Multipart {
  const boundary = `----sluice${randomDigits()}`
  const parts: (Uint8Array | Blob)[] = []
  for (const [name, value] of form) {
    const start = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(normalised(String(name)))}"`
    if (typeof value === 'string') {
      parts.push(Buffer.from(`${start}\r\n\r\n${normalised(value)}\r\n`))
      continue
    }
    // Other FormData implementations may have a type that a Blob would not accept.
    const given = String(value.type ?? '')
    const type = given === '' || !isFieldValue(given) ? 'application/octet-stream' : given
    const filename = escaped(String(value.name ?? 'blob'))
    parts.push(
      Buffer.from(`${start}; filename="${filename}"\r\nContent-Type: ${type}\r\n\r\n`),
      value,
      Buffer.from('\r\n'),
    )
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`))
  let length = 0
  for (const part of parts) length += 'size' in part ? part.size : part.length
  return { contentType: `multipart/form-data; boundary=${boundary}`, length, parts }
}

function normalised(text: string): string {
  return text.replace(/\r?\n|\r/g, '\r\n')
}

function escaped(text: string): string {
  return text.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22')
}

/** Returns random hexadecimal digits, so that no form value can contain the boundary on purpose. */
function randomDigits(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16))
  return Buffer.from(bytes).toString('hex')
}
