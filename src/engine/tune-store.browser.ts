import { type TuneRecord, type TuneStore, winnersOf } from './tune-store.ts'

const STORE = 'tuning'

/** Winners of tuning on a page: IndexedDB, one record an adapter. A page that may not use it remembers nothing. */
export const indexedDbTuneStore: TuneStore = {
  async load(place) {
    try {
      const record = await withStore('readonly', (store) => store.get(place.adapter))
      return record === undefined ? {} : winnersOf(record, place)
    } catch {
      return {}
    }
  },
  async save(place, winners) {
    const record: TuneRecord = { ...place, winners: { ...(await this.load(place)), ...winners } }
    await withStore('readwrite', (store) => store.put(record, place.adapter)).catch(() => undefined)
  },
}

async function withStore<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open('voxplain', 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE)
  const database = await settled(opening)
  try {
    return await settled(work(database.transaction(STORE, mode).objectStore(STORE)))
  } finally {
    database.close()
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
