import net from 'node:net'
import tls from 'node:tls'
import { WrongResponse } from '../harness/check.js'
import type { Contender, Done, Session, Setup } from '../harness/session.js'
import { type Scene, sceneOf } from '../origin/scenes.js'
import { urlOf } from './node-http.js'

const WINDOW = 65_536

/**
 * The least that a client can do: sockets that read into one buffer, write the same requests and count the bytes of the
 * responses, which are known to be alike. The first response of each connection is compared byte by byte.
 */
export const floor: Contender = {
  name: 'floor',
  role: 'floor',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: true,
  bounded: true,
  open: async (setup) => new Floor(setup),
}

class Floor implements Session {
  readonly #setup: Setup
  readonly #room: Line[] = []
  readonly #all = new Set<Line>()
  readonly #waiting: Done[] = []
  readonly #scene: Scene

  constructor(setup: Setup) {
    this.#setup = setup
    this.#scene = sceneOf(setup.scene)
  }

  send(done: Done): void {
    const line = this.#room.at(-1) ?? this.#open()
    if (line === null) this.#waiting.push(done)
    else line.send(done)
  }

  async close(): Promise<void> {
    for (const line of this.#all) line.close()
  }

  #open(): Line | null {
    const { connections, pipelining, urls } = this.#setup
    if (this.#all.size >= connections) return null
    const owner: Owner = {
      full: () => void this.#room.pop(),
      room: (line) => {
        this.#room.push(line)
        while (this.#waiting.length > 0 && this.#room.at(-1) === line) line.send(this.#waiting.pop() as Done)
      },
      gone: (line) => {
        this.#all.delete(line)
        if (this.#room.includes(line)) this.#room.splice(this.#room.indexOf(line), 1)
        const next = this.#waiting.pop()
        if (next !== undefined) this.send(next)
      },
    }
    const url = urls[this.#all.size % urls.length] ?? urlOf(this.#setup)
    const line = new Line({ url, scene: this.#scene, width: this.#scene.closes ? 1 : pipelining, owner })
    this.#all.add(line)
    this.#room.push(line)
    return line
  }
}

interface Owner {
  /** The line that was used last can take no more. */
  full(): void
  room(line: Line): void
  gone(line: Line): void
}

/** One connection. */
class Line {
  readonly #socket: net.Socket
  readonly #owner: Owner
  readonly #width: number
  readonly #scene: Scene
  readonly #request: string
  /** Several requests as one string, made once. */
  readonly #requests: string[] = []
  /** A ring: at most so many as the width. */
  readonly #dones: Done[] = []
  #head = 0
  #count = 0
  #unwritten = 0
  #reading = false
  #scheduled = false
  #bytes = 0
  #compared = false
  #left = false

  constructor(given: { url: string; scene: Scene; width: number; owner: Owner }) {
    const { url, scene, width, owner } = given
    this.#owner = owner
    this.#width = width
    this.#scene = scene
    const { host, hostname, port, protocol } = new URL(url)
    const length = scene.upload === null ? '' : `content-length: ${scene.upload.length}\r\n`
    this.#request = `${scene.method} / HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n${length}\r\n`
    const onread = { buffer: window, callback: (length: number) => this.#read(length) }
    const options = { host: hostname, port: Number(port), onread }
    // The types of tls.connect leave onread out.
    this.#socket = protocol === 'https:' ? tls.connect(options as tls.ConnectionOptions) : net.connect(options)
    this.#socket.setNoDelay(true)
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('closed')))
  }

  send(done: Done): void {
    this.#dones[(this.#head + this.#count++) % this.#width] = done
    if (this.#count === this.#width) this.#owner.full()
    this.#unwritten++
    if (this.#reading || this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#write()
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #write(): void {
    const count = this.#unwritten
    if (count === 0) return
    this.#unwritten = 0
    const { upload } = this.#scene
    if (upload === null) {
      this.#requests[count] ??= this.#request.repeat(count)
      this.#socket.write(this.#requests[count], 'latin1')
      return
    }
    this.#socket.cork()
    for (let i = 0; i < count; i++) {
      this.#socket.write(this.#request, 'latin1')
      this.#socket.write(upload)
    }
    this.#socket.uncork()
  }

  #read(length: number): boolean {
    if (!this.#compared && !this.#compare(length)) return false
    const whole = this.#scene.response.length
    this.#bytes += length
    this.#reading = true
    while (this.#bytes >= whole) {
      this.#bytes -= whole
      this.#answered()
    }
    this.#reading = false
    this.#write()
    return true
  }

  #answered(): void {
    const done = this.#dones[this.#head] as Done
    this.#head = (this.#head + 1) % this.#width
    const wasFull = this.#count-- === this.#width
    if (this.#scene.closes) this.#leave()
    else if (wasFull) this.#owner.room(this)
    done(null)
  }

  #compare(length: number): boolean {
    const { response } = this.#scene
    const end = Math.min(response.length, this.#bytes + length)
    this.#compared = end === response.length
    if (response.compare(window, 0, end - this.#bytes, this.#bytes, end) === 0) return true
    this.#fail(new WrongResponse(`a wrong response: ${window.toString('latin1', 0, Math.min(length, 200))}`))
    return false
  }

  #fail(error: Error): void {
    const open = Array.from({ length: this.#count }, (_, i) => this.#dones[(this.#head + i) % this.#width] as Done)
    this.#count = 0
    this.#unwritten = 0
    this.#socket.destroy()
    for (const done of open) done(error)
    this.#leave()
  }

  #leave(): void {
    if (this.#left) return
    this.#left = true
    this.#socket.end()
    this.#owner.gone(this)
  }
}

/** One for all connections: it is read in the callback. */
const window = Buffer.allocUnsafeSlow(WINDOW)
