import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '../harness/channel.js'

// Origin process of known capacity: serves `concurrency` requests at once, `service` ms each, and queues the others.

serve({
  async open({ concurrency, service }: { concurrency: number; service: number }): Promise<string> {
    const queued: (() => void)[] = []
    let active = 0
    const startNext = () => {
      active--
      queued.shift()?.()
    }
    const server = http.createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
      const respond = () => {
        active++
        setTimeout(() => {
          response.end('ok')
          startNext()
        }, service)
      }
      if (active < concurrency) respond()
      else queued.push(respond)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
})
