import { type Origin, onRequests, rawOrigin } from './origin.js'

/** A response as bytes, after which `cut` closes the connection by FIN and `reset` by RST. */
export type Answer = string | { text: string; end: 'cut' | 'reset' }

export interface ScriptedOrigin extends Origin {
  /** Header sections of the received requests. */
  readonly requests: string[]
}

/** Starts an origin that sends the next response of a script to each request, and repeats the last one. */
export async function scriptedOrigin(...answers: Answer[]): Promise<ScriptedOrigin> {
  const requests: string[] = []
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      const answer = answers[Math.min(requests.length, answers.length - 1)] as Answer
      requests.push(head)
      if (typeof answer === 'string') return void socket.write(answer)
      if (answer.text === '') return void (answer.end === 'cut' ? socket.end() : socket.resetAndDestroy())
      socket.write(answer.text, () => {
        if (answer.end === 'cut') socket.end()
        else socket.resetAndDestroy()
      })
    }),
  )
  return Object.defineProperty(Object.create(origin), 'requests', { value: requests }) as ScriptedOrigin
}

/** Returns a response with content-length. */
export function message(status: string, body: string, fields: Record<string, string> = {}): string {
  const lines = Object.entries({ 'content-length': String(body.length), ...fields })
  return `HTTP/1.1 ${status}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}
