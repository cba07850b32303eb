import type { Duplex } from 'node:stream'
import type { DispatchController, Dispatcher, DispatchHandler, LegacyDispatchHandler } from '../../../lib/index.js'

/** Actions of a handler that records its callbacks. */
export interface Conduct {
  /** Pauses after the headers and each chunk, and resumes in a later event-loop turn. */
  readonly pauses?: boolean
  /** Pauses in the first callback, and resumes in a later event-loop turn, or after the headers of the last response. */
  readonly pausesFirst?: 'for a while' | 'until the head'
  /** Aborts in the first callback of this name, or in the event-loop turn after it. */
  readonly abortsIn?: string
  readonly abortsAfter?: string
  /** Throws in the first callback of this name. */
  readonly throwsIn?: string
  /** Makes what it throws or aborts with. Default: an Error. */
  readonly reason?: () => unknown
}

/** Without the number of the case, as in a location. */
const same = (text: string) => text.replace(/\/\d+(?=["|]| failed|$)/g, '/#')
const text = (raw: Dispatcher.DispatchController['rawHeaders']) =>
  same(((raw ?? []) as (string | Buffer)[]).map((one) => one.toString('latin1')).join('|'))
const plain = (fields: object) => same(JSON.stringify(fields))

/** Properties of an error that describe the request. */
export function failure(error: Error & { code?: string; phase?: string; path?: string }): string {
  if (!isReadable(error)) return 'error that can not be read'
  if (!(error instanceof Error)) return `error ${String(error)}`
  const { name, code, message, phase, path = '' } = error
  return `error ${name} ${code} ${same(message).replace(/localhost:\d+|127\.0\.0\.1:\d+/, 'origin')} ${phase} ${same(path)}`
}

function isReadable(value: unknown): boolean {
  try {
    return value instanceof Error || String(value) !== ''
  } catch {
    return false
  }
}

/** Records the callbacks of a handler in order. Consecutive body chunks count as one. */
export class Witness {
  readonly events: string[] = []
  readonly ended: Promise<void>
  readonly #conduct: Conduct
  #body = ''
  #sent = 0
  #acted = false
  #paused = false
  #abort: (reason: Error) => void = () => {}
  #resume: () => void = () => {}
  #end: () => void = () => {}

  constructor(conduct: Conduct) {
    this.#conduct = conduct
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  #flush(): void {
    if (this.#body !== '') this.events.push(`data ${this.#body.length} ${this.#body.slice(0, 20)}`)
    if (this.#sent > 0) this.events.push(`body sent ${this.#sent}`)
    this.#body = ''
    this.#sent = 0
  }

  #note(name: string, ...values: unknown[]): void {
    this.#flush()
    this.events.push([name, ...values].join(' '))
    this.#act(name)
  }

  #act(name: string): void {
    const { abortsIn, abortsAfter, throwsIn, reason } = this.#conduct
    if (this.#acted || ![abortsIn, abortsAfter, throwsIn].includes(name)) return
    this.#acted = true
    if (throwsIn === name) throw reason === undefined ? new Error('thrown') : reason()
    const abort = () => this.#abort((reason === undefined ? new Error('aborted') : reason()) as Error)
    if (abortsIn === name) abort()
    else setImmediate(abort)
  }

  /** Whether the caller shall pause. */
  #rests(): boolean {
    if (this.#paused) this.events.push('called although paused')
    if (!this.#conduct.pauses) return false
    this.#paused = true
    setImmediate(() =>
      setImmediate(() => {
        this.#paused = false
        this.#resume()
      }),
    )
    return true
  }

  #start(abort: (reason: Error) => void): void {
    this.#abort = abort
    this.#note('start')
  }

  #data(bytes: Buffer): boolean {
    const rests = this.#rests()
    this.#body += bytes.toString('latin1')
    this.#act('data')
    return rests
  }

  #failed(error: Error, how = ''): void {
    this.#flush()
    this.events.push(failure(error) + how)
    this.#end()
  }

  #upgraded(status: number, fields: string, socket: Duplex): void {
    this.#note('upgrade', status, fields)
    let seen = ''
    socket.setEncoding('latin1').on('data', (piece: string) => {
      seen += piece
      if (seen !== 'first second') return
      this.events.push(`socket ${seen}`)
      socket.destroy()
    })
    socket.on('error', (error) => this.events.push(`socket error ${error.message}`)).on('close', () => this.#end())
    socket.write('second')
  }

  #whole(...values: unknown[]): void {
    if (this.#paused) this.events.push('ended although paused')
    this.#note('end', ...values)
    this.#end()
  }

  readonly #sends = {
    onBodySent: (bytes: Buffer) => {
      this.#sent += bytes.length
    },
    onRequestSent: () => this.#note('request sent'),
    onResponseStarted: () => this.#note('response started'),
  }

  /** Handler with the current callbacks. */
  get modern(): DispatchHandler {
    // When one that paused at the start goes on depends on the time.
    const paused = (controller: DispatchController) => !this.#conduct.pausesFirst && controller.paused
    const state = (controller: DispatchController) =>
      `${controller.aborted} ${paused(controller)} ${controller.reason === null ? '' : failure(controller.reason)}`
    return {
      ...this.#sends,
      onRequestStart: (controller) => {
        this.#resume = () => controller.resume()
        this.#start((reason) => controller.abort(reason))
        if (this.#conduct.pausesFirst && !this.#acted) {
          this.#acted = true
          controller.pause()
          if (this.#conduct.pausesFirst === 'for a while') setTimeout(() => controller.resume(), 5)
        }
      },
      onRequestUpgrade: (controller, status, headers, socket) =>
        this.#upgraded(status, `${plain(headers)} ${text(controller.rawHeaders)}`, socket),
      onResponseStart: (controller, status, headers, message) => {
        const rests = status >= 200 && this.#rests()
        if (rests) controller.pause()
        this.#note('head', status, message, plain(headers), text(controller.rawHeaders), state(controller))
        if (this.#conduct.pausesFirst === 'until the head') setImmediate(() => controller.resume())
      },
      onResponseData: (controller, bytes) => {
        if (this.#data(bytes)) controller.pause()
      },
      onResponseEnd: (controller, trailers) =>
        this.#whole(plain(trailers), text(controller.rawTrailers), controller.aborted),
      onResponseError: ({ aborted, reason }, error) => {
        this.#failed(
          error,
          aborted && this.#acted ? ` is ${reason === error ? '' : 'not '}the reason of the abort` : '',
        )
      },
    }
  }

  /** Result of `request` or `upgrade`. */
  async promise(dispatcher: Dispatcher, options: Dispatcher.RequestOptions & { upgrade?: string }): Promise<void> {
    const { upgrade, ...rest } = options
    try {
      if (upgrade !== undefined) {
        const { headers, socket } = await dispatcher.upgrade({ ...rest, protocol: upgrade } as never)
        return this.#upgraded(101, plain(headers), socket)
      }
      const onInfo = (info: { statusCode: number; headers: object }) =>
        this.events.push(`info ${info.statusCode} ${plain(info.headers)}`)
      const { statusCode, statusText, headers, trailers, body } = await dispatcher.request({ ...rest, onInfo })
      this.events.push(`head ${statusCode} ${statusText} ${plain(headers)}`)
      this.#body = await body.text()
      this.#flush()
      this.events.push(`end ${plain(trailers)}`)
    } catch (error) {
      this.events.push(failure(error as Error))
    }
    this.#end()
  }

  /** Handler with the legacy callbacks. */
  get legacy(): LegacyDispatchHandler {
    return {
      ...this.#sends,
      onConnect: (abort) => this.#start(abort as (reason: Error) => void),
      onUpgrade: (status, raw, socket) => this.#upgraded(status, text(raw), socket),
      onHeaders: (status, raw, resume, message) => {
        this.#resume = resume
        const rests = status >= 200 && this.#rests()
        this.#note('head', status, message, text(raw))
        return !rests
      },
      onData: (bytes) => !this.#data(bytes),
      onComplete: (raw) => this.#whole(text(raw)),
      onError: (error) => this.#failed(error),
    }
  }
}
