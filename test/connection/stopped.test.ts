import { spawn } from 'node:child_process'
import t from 'tap'
import { onRequests, rawOrigin, response } from '../servers/origin.js'

const TIMEOUT = 300

/** Sends a request on a reused connection, and prints the result. */
const program = (origin: string, options: object) => `
  import { Client } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
  const client = new Client(${JSON.stringify(origin)}, ${JSON.stringify(options)})
  const ask = (path) => client.request({ path, method: 'POST' }).then(({ body }) => body.text())
  await ask('/first')
  const text = await ask('/asked').catch((error) => error.code)
  console.log(text)
  await client.close()`

interface Part {
  options: object
  /** Data that the server sends while the process is stopped. */
  meanwhile: string
  /** Part of the response sent before. */
  before?: string
}

/** Returns the output of a program that was stopped for longer than its timeouts. */
async function outputOf({ options, meanwhile, before = '' }: Part): Promise<string> {
  let running: ReturnType<typeof spawn> | null = null
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      if (head.includes('/first')) return void socket.write(response('first'))
      socket.write(before)
      // Gives the process time to read it.
      setTimeout(() => {
        running?.kill('SIGSTOP')
        socket.write(meanwhile)
        setTimeout(() => running?.kill('SIGCONT'), 2 * TIMEOUT)
      }, TIMEOUT / 3)
    })
  })
  const args = ['--input-type=module', '-e', program(origin.url, options)]
  running = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  running.stdout?.on('data', (chunk) => (output += chunk))
  await new Promise((resolve) => running?.once('close', resolve))
  await origin.close()
  return output.trim()
}

t.test(
  'requests complete after the process was stopped and continued',
  { skip: process.platform === 'win32' && 'no signals' },
  async (t) => {
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n'
    const headers = { headersTimeout: TIMEOUT, bodyTimeout: 0 }
    const body = { headersTimeout: 0, bodyTimeout: TIMEOUT }
    const cases: [name: string, part: Part, expected: string][] = [
      ['the response arrives while stopped', { options: headers, meanwhile: response('in time') }, 'in time'],
      ['no response arrives', { options: headers, meanwhile: '' }, 'UND_ERR_HEADERS_TIMEOUT'],
      [
        'a part of the headers arrives while stopped',
        { options: headers, meanwhile: 'HTTP/1.1 200' },
        'UND_ERR_HEADERS_TIMEOUT',
      ],
      [
        'the rest of the body arrives while stopped',
        { options: body, before: `${head}in `, meanwhile: 'time!' },
        'in time!',
      ],
      ['no rest of the body arrives', { options: body, before: `${head}in `, meanwhile: '' }, 'UND_ERR_BODY_TIMEOUT'],
    ]
    const outputs = await Promise.all(cases.map(([, part]) => outputOf(part)))
    for (const [index, [name, , expected]] of cases.entries()) t.equal(outputs[index], expected, name)
  },
)
