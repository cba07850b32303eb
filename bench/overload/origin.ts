import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from '../harness/channel.js'

// An origin of known capacity, as a process: so many at once, each for so long. Whoever comes beyond waits.

answer({
  async open({ concurrency, service }: { concurrency: number; service: number }): Promise<string> {
    const waiting: (() => void)[] = []
    let active = 0
    const next = () => {
      active--
      waiting.shift()?.()
    }
    const server = http.createServer({ keepAliveTimeout: 60_000 }, (_request, reply) => {
      const serve = () => {
        active++
        setTimeout(() => {
          reply.end('ok')
          next()
        }, service)
      }
      if (active < concurrency) serve()
      else waiting.push(serve)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
})
