import fs from 'node:fs'
import net from 'node:net'

/** Damage of packets, in both directions. Probabilities are 0 to 1, times in ms. */
export interface PacketDamage {
  loss?: number
  delay?: number
  /** Variation of the delay in both directions. Packets overtake each other. */
  jitter?: number
  /** Probability that a packet is sent at once, before delayed ones. */
  reorder?: number
  duplicate?: number
  /** Probability that one bit of a packet is inverted. */
  corrupt?: number
  /** Bytes per second. */
  rate?: number
}

/** Length of the queue in ms. Packets beyond it are lost. */
const QUEUE_MS = 400

let damage: PacketDamage = {}
/** Number of packets lost, damaged, duplicated or delayed since the last change. */
let damaged = 0

/** Forwards packets from one TUN device to another. */
class Direction {
  readonly #from: number
  readonly #to: number
  /** Time at which the link has sent all accepted packets. */
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
    const { loss = 0, duplicate = 0, corrupt = 0 } = damage
    if (Math.random() < loss) return void damaged++
    if (Math.random() < corrupt) {
      damaged++
      const at = Math.floor(Math.random() * packet.length)
      packet[at] = (packet[at] as number) ^ (1 << Math.floor(Math.random() * 8))
    }
    this.#send(packet)
    if (Math.random() >= duplicate) return
    damaged++
    this.#send(packet)
  }

  #send(packet: Buffer): void {
    const { delay = 0, jitter = 0, reorder = 0, rate = 0 } = damage
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
      damaged++
      setTimeout(() => this.#write(packet), at - now)
    }
  }

  #write(packet: Buffer): void {
    try {
      fs.writeSync(this.#to, packet)
    } catch {
      // The device is down or the packet malformed: it is lost.
    }
  }
}

const [socket, near, far] = process.argv.slice(2)
new Direction(Number(near), Number(far))
new Direction(Number(far), Number(near))
net
  .createServer((connection) => {
    connection.on('data', (line) => {
      connection.write(String(damaged))
      damage = JSON.parse(String(line))
      damaged = 0
    })
  })
  .listen(socket, () => process.stdout.write('ready'))
