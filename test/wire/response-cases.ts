import { existsSync, readFileSync } from 'node:fs'

/** Byte stream of a server, with the outcome in a strict client. */
export interface ResponseCase {
  id: string
  note: string
  requests: { method: string; upgrade?: string }[]
  raw: string
  eof: boolean
  limits?: { maxHeaderBytes: number; maxHeaderCount: number; maxChunkOverhead: number }
  expect: {
    verdict: 'accept' | 'reject' | 'either'
    messages: ExpectedMessage[]
    error: { stage: 'head' | 'body' | 'extra' | 'any' } | null
    pending?: 'head' | 'body'
    partialBody?: string
    foldTolerance?: boolean
    trailersOptional?: boolean
    messagesOptional?: boolean
  }
}

export interface ExpectedMessage {
  version: string
  status: number
  reason: string
  headers: [string, string][]
  body: string
  trailers: [string, string][]
  keepAlive?: boolean | 'any'
  informational?: boolean
  tunnel?: boolean
  rest?: string
}

const file = new URL('../../../../shared/parser-cases/cases.json', import.meta.url)

/** Returns the shared cases, or null if the file is not present. */
export function responseCases(): ResponseCase[] | null {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null
}
