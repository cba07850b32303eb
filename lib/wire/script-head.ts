import { OK } from './engine.js'
import { BYTE_CLASSES, CR, FIELD, LF, PHASE, type ScanState, SPACE, TAB, TOKEN } from './scan-state.js'

const PROTOCOL = 'HTTP/'
const COLON = 58
const DELETE = 127
const LLHTTP_NAMES = /^(?:connection|content-length|proxy-connection|transfer-encoding|upgrade)$/i
const FRAMING_FIELDS: Record<string, 1 | 2> = { 'content-length': FIELD.length, 'transfer-encoding': FIELD.coding }
const MAX_LENGTH = '18446744073709551615'

/** Parses `input[at..end)` in one phase of a header or trailer section. Returns where the next phase begins. */
export function readSection(scan: ScanState, at: number, end: number): number {
  switch (scan.phase) {
    case PHASE.line:
      return readLine(scan, at, end)
    case PHASE.reason:
      return readReason(scan, at, end)
    case PHASE.name:
      return readName(scan, at, end)
    case PHASE.beforeValue:
      return skipSpace(scan, at, end)
    case PHASE.value:
      return readValue(scan, at, end)
    case PHASE.length:
      return readLength(scan, at, end)
    case PHASE.lengthSpace:
      return skipLengthSpace(scan, at, end)
    default:
      return readByte(scan, at)
  }
}

/** Parses the status line up to the byte after the status code. */
function readLine(scan: ScanState, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = scan.input[at] as number
    const digit = byte >= 48 && byte <= 57 ? byte - 48 : -1
    const cursor = scan.cursor++
    if (cursor < 5) {
      if (byte !== PROTOCOL.charCodeAt(cursor)) return scan.refuse(at, 'INVALID_CONSTANT', 'Expected HTTP/')
    } else if (cursor < 9) {
      if (!readVersion(scan, byte, digit)) return scan.refuse(at, 'INVALID_VERSION', 'Not a version of HTTP')
    } else if (cursor < 12) {
      if (digit < 0) return scan.refuse(at, 'INVALID_STATUS', 'Not a status code')
      scan.status = 10 * scan.status + digit
    } else {
      if (byte === SPACE) scan.phase = PHASE.reason
      else if (byte === CR) scan.phase = PHASE.lineEnd
      else return scan.refuse(at, 'INVALID_STATUS', 'Not a status code')
      return at + 1
    }
  }
  return end
}

/** Parses the version and the space after it. The Parser rejects major versions other than 1. */
function readVersion(scan: ScanState, byte: number, digit: number): boolean {
  if (scan.cursor === 6) {
    scan.major = digit
    return digit >= 0
  }
  if (scan.cursor === 7) return byte === 46
  if (scan.cursor === 9) return byte === SPACE
  scan.minor = digit
  const version = 10 * scan.major + digit
  return digit >= 0 && (version === 11 || version === 10 || version === 9 || version === 20)
}

/** Records the reason phrase. The Parser checks its characters. */
function readReason(scan: ScanState, from: number, end: number): number {
  const { input } = scan
  let at = from
  while (at < end && input[at] !== CR && input[at] !== LF) at++
  if (input[at] === LF && at < end) return scan.refuse(at + 1, 'CR_EXPECTED', 'LF without CR after the status line')
  scan.record.reason(from, at - from)
  if (at === end) return end
  scan.phase = PHASE.lineEnd
  return at + 1
}

function readName(scan: ScanState, from: number, end: number): number {
  const { input, record } = scan
  let at = from
  while (at < end && ((BYTE_CLASSES[input[at] as number] as number) & TOKEN) !== 0) at++
  if (at < end && input[at] !== COLON) return refuseName(scan, from, at)
  scan.code = record.name(from, at - from)
  // llhttp has consumed the colon by then, and consumed bytes count for the limit of trailers.
  if (scan.code !== OK) return Math.min(at + 1, end)
  if (at === end) {
    scan.text += input.latin1Slice(from, at)
    return end
  }
  const length = scan.text.length + at - from
  scan.field = FIELD.other
  scan.phase = PHASE.beforeValue
  if (length === 14 || length === 17) checkFramingField(scan, scan.text + input.latin1Slice(from, at), at + 1)
  scan.text = ''
  return scan.code === OK ? skipSpace(scan, at + 1, end) : at + 1
}

/** Rejects a field name. llhttp records names that it knows before it checks the next byte, which may exceed the limit. */
function refuseName(scan: ScanState, from: number, at: number): number {
  const { input, record } = scan
  if (input[at] === SPACE && LLHTTP_NAMES.test(scan.text + input.latin1Slice(from, at))) {
    scan.code = record.name(from, at - from)
    return scan.code === OK ? scan.refuse(at + 1, 'INVALID_HEADER_TOKEN', 'Not a field name') : at + 1
  }
  return scan.refuse(at, 'INVALID_HEADER_TOKEN', 'Not a field name')
}

/** Rejects Content-Length together with Transfer-Encoding: an attack or a mistake (RFC 9112 §6.3). */
function checkFramingField(scan: ScanState, name: string, at: number): void {
  const lower = name.toLowerCase()
  scan.field = Object.hasOwn(FRAMING_FIELDS, lower) ? (FRAMING_FIELDS[lower] as 1 | 2) : FIELD.other
  if (scan.field === FIELD.length && scan.hasCoding) {
    scan.refuse(at, 'INVALID_CONTENT_LENGTH', 'Content-Length together with Transfer-Encoding')
  } else if (scan.field === FIELD.coding && scan.hasLength) {
    scan.refuse(at, 'INVALID_TRANSFER_ENCODING', 'Transfer-Encoding together with Content-Length')
  }
}

function skipSpace(scan: ScanState, from: number, end: number): number {
  const { input } = scan
  let at = from
  while (at < end && (input[at] === SPACE || input[at] === TAB)) at++
  if (at === end) return end
  if (input[at] === CR) {
    scan.phase = PHASE.noValue
    return at + 1
  }
  if (input[at] === LF) return scan.refuse(at + 1, 'INVALID_HEADER_TOKEN', 'LF without CR after a field')
  scan.phase = PHASE.value
  if (scan.field === FIELD.length) {
    if (scan.hasLength) return scan.refuse(at, 'UNEXPECTED_CONTENT_LENGTH', 'Content-Length twice')
    scan.phase = PHASE.length
  } else if (scan.field === FIELD.coding) {
    scan.hasCoding = true
  }
  return scan.phase === PHASE.value ? readValue(scan, at, end) : at
}

function readValue(scan: ScanState, from: number, end: number): number {
  const { input } = scan
  let at = from
  for (; at < end; at++) {
    const byte = input[at] as number
    if (byte < SPACE ? byte !== TAB : byte === DELETE) break
  }
  if (at < end && input[at] !== CR) return refuseValue(scan, at)
  scan.record.value(from, at - from)
  if (at === end) return end
  // Fast path: the next field nearly always follows in the same read.
  if (at + 2 < end && input[at + 1] === LF && ((BYTE_CLASSES[input[at + 2] as number] as number) & TOKEN) !== 0) {
    scan.phase = PHASE.name
    return at + 2
  }
  scan.phase = PHASE.valueEnd
  return at + 1
}

function refuseValue(scan: ScanState, at: number): number {
  if (scan.input[at] === LF) return scan.refuse(at, 'CR_EXPECTED', 'LF without CR after a field')
  return scan.refuse(at, 'INVALID_HEADER_TOKEN', 'Control character in a field value')
}

/** Parses a Content-Length up to the maximum of llhttp. The Parser limits it to safe integers. */
function readLength(scan: ScanState, from: number, end: number): number {
  const { input } = scan
  let at = from
  for (; at < end; at++) {
    const byte = input[at] as number
    if (byte < 48 || byte > 57) break
    scan.text = (scan.text === '0' ? '' : scan.text) + String.fromCharCode(byte)
    const excess = scan.text.length - MAX_LENGTH.length
    if (excess > 0 || (excess === 0 && scan.text > MAX_LENGTH)) {
      return scan.refuse(at + 1, 'INVALID_CONTENT_LENGTH', 'Content-Length too large')
    }
  }
  scan.record.value(from, at - from)
  if (at === end) return end
  if (scan.text === '') return refuseLength(scan, at)
  scan.text = ''
  scan.hasLength = true
  scan.phase = PHASE.lengthSpace
  return at
}

function skipLengthSpace(scan: ScanState, from: number, end: number): number {
  const { input } = scan
  let at = from
  while (at < end && (input[at] === SPACE || input[at] === TAB)) at++
  if (at < end && input[at] !== CR) return refuseLength(scan, at)
  scan.record.value(from, at - from)
  if (at === end) return end
  scan.phase = PHASE.valueEnd
  return at + 1
}

function refuseLength(scan: ScanState, at: number): number {
  if (scan.input[at] === LF) return refuseValue(scan, at)
  return scan.refuse(at, 'INVALID_CONTENT_LENGTH', 'Content-Length is not a number')
}

/** Parses one byte of a line end. */
function readByte(scan: ScanState, at: number): number {
  const byte = scan.input[at]
  switch (scan.phase) {
    case PHASE.lineEnd:
      // The Parser rejects a CR here, as it does with llhttp.
      if (byte !== LF && byte !== CR) return scan.refuse(at, 'STRICT', 'CR without LF after the status line')
      scan.phase = PHASE.firstField
      return at + 1
    case PHASE.firstField:
      if (byte === SPACE) return scan.refuse(at + 1, 'UNEXPECTED_SPACE', 'White space before the first field')
      return readField(scan, at)
    case PHASE.field:
      return readField(scan, at)
    case PHASE.noValue:
      if (byte !== LF) return scan.refuse(at, 'STRICT', 'CR without LF after a field')
      scan.phase = PHASE.afterNoValue
      return at + 1
    case PHASE.afterNoValue:
      return endEmptyField(scan, at)
    case PHASE.valueEnd:
      if (byte !== LF) return scan.refuse(at, 'LF_EXPECTED', 'CR without LF after a field')
      scan.phase = PHASE.afterValue
      return at + 1
    case PHASE.afterValue:
      if (byte === SPACE || byte === TAB) return scan.refuse(at, 'INVALID_HEADER_TOKEN', 'A folded line')
      return readField(scan, at)
    default:
      if (byte !== LF) return scan.refuse(at, 'STRICT', 'CR without LF after the fields')
      return scan.pause(at + 1)
  }
}

function endEmptyField(scan: ScanState, at: number): number {
  const byte = scan.input[at]
  if (byte === SPACE || byte === TAB) return scan.refuse(at + 1, 'INVALID_HEADER_TOKEN', 'A folded line')
  if (scan.field === FIELD.length) return scan.refuse(at, 'INVALID_CONTENT_LENGTH', 'Content-Length without a value')
  scan.record.value(at, 0)
  return readField(scan, at)
}

/** Parses the first byte of a field, or of the empty line after the last field. */
function readField(scan: ScanState, at: number): number {
  const byte = scan.input[at]
  if (byte === CR) {
    scan.phase = PHASE.sectionEnd
    return at + 1
  }
  if (byte === LF) return scan.refuse(at + 1, 'INVALID_HEADER_TOKEN', 'LF without CR after the fields')
  if (((BYTE_CLASSES[byte as number] as number) & TOKEN) === 0) {
    return scan.refuse(at, 'INVALID_HEADER_TOKEN', 'Not a field name')
  }
  scan.phase = PHASE.name
  return at
}
