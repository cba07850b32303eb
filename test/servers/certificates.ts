import { isIP } from 'node:net'
import { generate } from 'selfsigned'

/** A private key and its certificate, as PEM. */
export interface Identity {
  key: string
  cert: string
}

type Options = Parameters<typeof generate>[1]
type Validity = Pick<NonNullable<Options>, 'notBeforeDate' | 'notAfterDate'>

async function issue(name: string, options: Options): Promise<Identity> {
  const made = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...options,
  })
  return { key: made.private, cert: made.cert }
}

/** Creates the CA that signs all certificates of one test run. */
export function authority(): Promise<Identity> {
  return issue('sluice test authority', {
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    ],
  })
}

/** Creates a server certificate for `name`, a name or address, and 127.0.0.1. */
export function serverIdentity(ca: Identity, name = 'localhost', validity: Validity = {}): Promise<Identity> {
  return issue(name, {
    ...validity,
    ca,
    extensions: [
      { name: 'basicConstraints', cA: false },
      {
        name: 'subjectAltName',
        altNames:
          name === 'localhost'
            ? [
                { type: 2, value: name },
                { type: 7, ip: '127.0.0.1' },
              ]
            : [isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name }],
      },
    ],
  })
}

/** Creates a server certificate that has expired. */
export function expiredIdentity(ca: Identity): Promise<Identity> {
  return serverIdentity(ca, 'localhost', {
    notBeforeDate: new Date('2020-01-01'),
    notAfterDate: new Date('2020-02-01'),
  })
}

export function clientIdentity(ca: Identity): Promise<Identity> {
  return issue('a client', {
    ca,
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'extKeyUsage', clientAuth: true },
    ],
  })
}
