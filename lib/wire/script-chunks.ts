import { BYTE_CLASSES, CR, LF, PHASE, QUOTED, type ScanState, SPACE, TAB, TOKEN, VALUE } from './scan-state.js'

const SEMICOLON = 59
const EQUALS = 61
const QUOTE = 34
const BACKSLASH = 92
/** Maximum hexadecimal digits of a chunk size, as in llhttp. A size above 2^53 is inexact, but never reached. */
const MAX_DIGITS = 16

/** Parses `input[at..end)` in one phase of a chunked body (RFC 9112 §7.1). Returns where the next phase begins. */
export function readChunk(scan: ScanState, at: number, end: number): number {
  const byte = scan.input[at] as number
  switch (scan.phase) {
    case PHASE.sizeStart:
    case PHASE.size:
      return readSize(scan, at, end)
    case PHASE.sizeEnd:
      if (byte !== LF) return scan.refuse(at, 'STRICT', 'CR without LF after a chunk size')
      return endSize(scan, at + 1)
    case PHASE.data:
      return readData(scan, at, end)
    case PHASE.dataEnd:
      if (byte === LF) return scan.refuse(at + 1, 'CR_EXPECTED', 'LF without CR after chunk data')
      if (byte !== CR) return scan.refuse(at, 'STRICT', 'Chunk data longer than its size')
      scan.phase = PHASE.afterData
      return at + 1
    case PHASE.afterData:
      if (byte !== LF) return scan.refuse(at, 'STRICT', 'CR without LF after chunk data')
      scan.phase = PHASE.sizeStart
      return at + 1
    default:
      return readExtension(scan, at)
  }
}

function readSize(scan: ScanState, from: number, end: number): number {
  const { input } = scan
  if (scan.phase === PHASE.sizeStart) {
    if (hexadecimal(input[from] as number) < 0) return scan.refuse(from, 'INVALID_CHUNK_SIZE', 'Not a chunk size')
    scan.size = 0
    scan.digits = 0
    scan.phase = PHASE.size
  }
  for (let at = from; at < end; at++) {
    const byte = input[at] as number
    const digit = hexadecimal(byte)
    if (digit < 0) return leaveSize(scan, byte, at)
    if (scan.size > 0 || digit > 0) scan.digits++
    if (scan.digits > MAX_DIGITS) return scan.refuse(at + 1, 'INVALID_CHUNK_SIZE', 'Chunk size too large')
    scan.size = 16 * scan.size + digit
  }
  return end
}

function leaveSize(scan: ScanState, byte: number, at: number): number {
  if (byte === LF) return scan.refuse(at + 1, 'CR_EXPECTED', 'LF without CR after a chunk size')
  if (byte === CR) scan.phase = PHASE.sizeEnd
  else if (byte === SEMICOLON) scan.phase = PHASE.extension
  else {
    const stop = byte === SPACE || byte === TAB ? at + 1 : at
    return scan.refuse(stop, 'INVALID_CHUNK_SIZE', 'Not a chunk size')
  }
  return at + 1
}

function endSize(scan: ScanState, at: number): number {
  scan.trailing = scan.size === 0
  scan.phase = scan.trailing ? PHASE.field : PHASE.data
  return at
}

function readData(scan: ScanState, from: number, end: number): number {
  const take = Math.min(scan.size, end - from)
  scan.data.push(from, from + take)
  scan.size -= take
  if (scan.size === 0) scan.phase = PHASE.dataEnd
  return from + take
}

/** Parses one byte of a chunk extension (RFC 9112 §7.1.1). Like llhttp, it accepts empty names and values, but no space. */
function readExtension(scan: ScanState, at: number): number {
  const byte = scan.input[at] as number
  const kind = BYTE_CLASSES[byte] as number
  switch (scan.phase) {
    case PHASE.extension:
      if (byte === CR || byte === SPACE) return refuseExtension(scan, at + 1)
      scan.phase = PHASE.extensionName
      return readExtension(scan, at)
    case PHASE.extensionName:
      if ((kind & TOKEN) !== 0) return at + 1
      if (byte !== EQUALS) return leaveExtension(scan, at, 1)
      scan.phase = PHASE.extensionValue
      return at + 1
    case PHASE.extensionValue:
      if (byte === QUOTE) scan.phase = PHASE.quoted
      else if ((kind & TOKEN) === 0) return leaveExtension(scan, at, 1)
      return at + 1
    case PHASE.quoted:
      if (byte === QUOTE) scan.phase = PHASE.quotedEnd
      else if (byte === BACKSLASH) scan.phase = PHASE.quotedPair
      else if ((kind & QUOTED) === 0) return refuseExtension(scan, at + 1)
      return at + 1
    case PHASE.quotedPair:
      if ((kind & VALUE) === 0) return refuseExtension(scan, at + 1)
      scan.phase = PHASE.quoted
      return at + 1
    default:
      return leaveExtension(scan, at, 0)
  }
}

/** Ends an extension or rejects it. `taken`: bytes that llhttp consumes before it rejects; they count for the limit. */
function leaveExtension(scan: ScanState, at: number, taken: 0 | 1): number {
  const byte = scan.input[at]
  if (byte === LF) return scan.refuse(at, 'CR_EXPECTED', 'LF without CR after a chunk extension')
  if (byte === SEMICOLON) scan.phase = PHASE.extension
  else if (byte === CR) scan.phase = PHASE.sizeEnd
  else return refuseExtension(scan, at + taken)
  return at + 1
}

function refuseExtension(scan: ScanState, at: number): number {
  return scan.refuse(at, 'STRICT', 'Not a chunk extension')
}

function hexadecimal(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const lower = byte | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
