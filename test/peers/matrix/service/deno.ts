// Deno's server as a process: `deno run -A service/deno.js '{…}'`.
import { readFileSync } from 'node:fs'
import type { Order } from './content.js'
import { answering } from './web.js'

interface WebSocketLike {
  onmessage: ((event: { data: string }) => void) | null
  send(text: string): void
}
declare const Deno: {
  args: string[]
  serve(options: object, handler: (request: Request) => Promise<Response>): void
  upgradeWebSocket(request: Request): { socket: WebSocketLike; response: Response }
}

const { ports, folder, home } = JSON.parse(Deno.args[0] as string) as Order
const file = (name: string) => readFileSync(`${folder}/${name}`, 'utf8')
const identity = { cert: file('server.pem'), key: file('server.key') }
const answer = answering({ folder, generation: () => 'generation-0' })

async function handle(request: Request): Promise<Response> {
  if (new URL(request.url).pathname !== '/websocket') return answer(request)
  const { socket, response } = Deno.upgradeWebSocket(request)
  socket.onmessage = ({ data }) => socket.send(data)
  return response
}

for (const options of [
  { hostname: '127.0.0.1', port: ports.plain },
  { hostname: '127.0.0.1', port: ports.secure, ...identity },
  { path: `${home}/service.sock`, transport: 'unix' },
]) {
  Deno.serve({ ...options, automaticCompression: true, onListen() {} }, handle)
}
