import fs from 'node:fs'
import net from 'node:net'

/** What happens to packets, in both directions. Shares are 0 to 1, times ms. */
export interface Spoiling {
  loss?: number
  delay?: number
  /** The delay varies by so much either way: then packets overtake one another. */
  jitter?: number
  /** So many go at once, before those that are delayed. */
  reorder?: number
  duplicate?: number
  /** One bit of so many is turned. */
  corrupt?: number
  /** Bytes per second. */
  rate?: number
}

/** Packets that may wait for a slow link, as in any queue. */
const QUEUE_MS = 400

let spoiling: Spoiling = {}
/** Packets that were lost, damaged, doubled or held back since the last change. */
let spoilt = 0

/** Carries the packets of one TUN device to another. */
class Direction {
  readonly #from: number
  readonly #to: number
  /** When the link has sent all that it took. */
  #free = 0

  constructor(from: number, to: number) {
    this.#from = from
    this.#to = to
    this.#next(Buffer.alloc(65_536))
  }

  #next(buffer: Buffer): void {
    fs.read(this.#from, buffer, 0, buffer.length, null, (error, length) => {
      if (error === null) this.#take(Buffer.from(buffer.subarray(0, length)))
      // EIO: the device is down.
      if (error === null) this.#next(buffer)
      else setTimeout(() => this.#next(buffer), 10)
    })
  }

  #take(packet: Buffer): void {
    const { loss = 0, duplicate = 0, corrupt = 0 } = spoiling
    if (Math.random() < loss) return void spoilt++
    if (Math.random() < corrupt) {
      spoilt++
      const at = Math.floor(Math.random() * packet.length)
      packet[at] = (packet[at] as number) ^ (1 << Math.floor(Math.random() * 8))
    }
    this.#send(packet)
    if (Math.random() >= duplicate) return
    spoilt++
    this.#send(packet)
  }

  #send(packet: Buffer): void {
    const { delay = 0, jitter = 0, reorder = 0, rate = 0 } = spoiling
    const now = performance.now()
    let at = now
    if (rate > 0) {
      if (this.#free > now + QUEUE_MS) return
      this.#free = Math.max(now, this.#free) + (packet.length / rate) * 1000
      at = this.#free
    }
    if (Math.random() >= reorder) at += delay + (Math.random() * 2 - 1) * jitter
    if (at - now < 1) this.#write(packet)
    else {
      spoilt++
      setTimeout(() => this.#write(packet), at - now)
    }
  }

  #write(packet: Buffer): void {
    try {
      fs.writeSync(this.#to, packet)
    } catch {
      // A damaged packet, or a device that is down: lost, as on any link.
    }
  }
}

const [socket, near, far] = process.argv.slice(2)
new Direction(Number(near), Number(far))
new Direction(Number(far), Number(near))
net
  .createServer((connection) => {
    connection.on('data', (line) => {
      connection.write(String(spoilt))
      spoiling = JSON.parse(String(line))
      spoilt = 0
    })
  })
  .listen(socket, () => process.stdout.write('ready'))
